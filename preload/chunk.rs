//! The word before a block of the GNU C library's allocator, which says how large its chunk is.

use core::ffi::c_void;

/// The chunk has a mapping of its own.
const MAPPED: usize = 2;

/// All flags of the word; the rest of it is the chunk's size.
const FLAGS: usize = 7;

/// Such a word.
#[derive(Clone, Copy)]
pub struct Head(usize);

impl Head {
    /// A word that no block of a heap has, so that whoever meets it looks closer.
    pub const STRANGE: Head = Head(MAPPED);

    /// The word before a block.
    ///
    /// # Safety
    /// The block is live and comes from that allocator, or has such a word before it.
    #[inline(always)]
    pub unsafe fn of(block: *mut c_void) -> Head {
        // SAFETY: the word belongs to the block's chunk.
        Head(unsafe { block.cast::<usize>().sub(1).read() })
    }

    /// Whether the block lies in a heap, as most do; if not, it has a mapping of its own.
    #[inline(always)]
    pub fn is_in_heap(self) -> bool {
        self.0 & MAPPED == 0
    }

    /// What `malloc_usable_size` returns for a block in a heap: the chunk without this word.
    #[inline(always)]
    pub fn usable_in_heap(self) -> usize {
        (self.0 & !FLAGS).wrapping_sub(8)
    }

    /// What `malloc_usable_size` returns: a chunk with a mapping of its own shares no word with its neighbour.
    pub fn usable(self) -> usize {
        if self.is_in_heap() { self.usable_in_heap() } else { self.usable_in_heap() - 8 }
    }
}
