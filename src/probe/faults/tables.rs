//! The tables for exceptions of a file of code: whether following them comes to an end, and where functions put the registers that they
//! give back.
//!
//! Its `.eh_frame` may have expressions that jump, as programs do, and whoever follows one that jumps back never returns. No compiler
//! writes a jump there: a function whose table has one isn't walked through.

use super::module::{CodeFile, ENDLESS};
use super::registers::KEPT;
use gimli::{
    BaseAddresses, CallFrameInstruction, CallFrameInstructionIter, CieOrFde, EhFrame, EhFrameHdr, EndianSlice,
    FrameDescriptionEntry, LittleEndian, Operation, Register, RegisterRule, UnwindContext, UnwindExpression,
    UnwindSection,
};

/// Instructions of a function's table that are followed: those of real functions have some hundreds.
const MOST: usize = 64 << 10;

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// What a function has done with a register that it gives back as it found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// Nothing.
    Untouched,
    /// Put it on the stack, so far from where its caller's part begins.
    At(i64),
    /// What can't be followed.
    Lost,
}

/// The tables of a file of code.
pub struct Tables<'a> {
    section: EhFrame<Bytes<'a>>,
    index: Option<&'a [u8]>,
    bases: BaseAddresses,
}

impl<'a> Tables<'a> {
    /// Those of this file.
    pub fn of(file: &'a CodeFile) -> Self {
        let mut section = EhFrame::new(&file.frames.0, LittleEndian);
        section.set_address_size(size_of::<u64>() as u8);
        let text = file.text.as_ref().map_or(0, |text| text.start);
        let (index, at) = file.index.as_ref().map_or((None, 0), |(data, range)| (Some(&data[..]), range.start));
        let bases = BaseAddresses::default().set_eh_frame(file.frames.1.start).set_eh_frame_hdr(at).set_text(text);
        Tables { section, index, bases }
    }

    /// Whether all of them end; those of a file with an index aren't followed before they are [met](Self::end_at).
    pub fn end(&self) -> bool {
        self.index.is_some() || self.all_end()
    }

    fn all_end(&self) -> bool {
        let mut entries = self.section.entries(&self.bases);
        // What comes after a broken one is never met.
        while let Ok(Some(entry)) = entries.next() {
            let CieOrFde::Fde(partial) = entry else { continue };
            if partial.parse(EhFrame::cie_from_offset).is_ok_and(|table| !self.ends(&table)) {
                return false;
            }
        }
        true
    }

    /// Whether the one that the index has for this address of the file can be followed to an end; why not otherwise.
    pub fn end_at(&self, address: u64) -> Result<(), &'static str> {
        match self.indexed(address)? {
            Some(table) if !self.ends(&table) => Err(ENDLESS),
            _ => Ok(()),
        }
    }

    /// What the function at this address of the file has done, once it came there, with the registers that it gives back; `None` if that
    /// isn't known. Only for addresses whose table [ends](Self::end_at).
    pub fn keeping_at(&self, address: u64) -> Option<[Keeping; KEPT.len()]> {
        let find = || self.section.fde_for_address(&self.bases, address, EhFrame::cie_from_offset).ok();
        let table = if self.index.is_some() { self.indexed(address).ok()? } else { find() }?;
        let mut context = UnwindContext::new();
        let row = table.unwind_info_for_address(&self.section, &self.bases, &mut context, address).ok()?;
        Some(KEPT.map(|number| match row.register(Register(number)) {
            None | Some(RegisterRule::SameValue) => Keeping::Untouched,
            Some(RegisterRule::Offset(at)) => Keeping::At(at),
            Some(_) => Keeping::Lost,
        }))
    }

    /// The table that the index has for this address; none is one by which nobody walks.
    fn indexed(&self, address: u64) -> Result<Option<FrameDescriptionEntry<Bytes<'a>>>, &'static str> {
        let Some(index) = self.index else { return Ok(None) };
        let Ok(header) = EhFrameHdr::new(index, LittleEndian).parse(&self.bases, size_of::<u64>() as u8) else {
            return Ok(None);
        };
        let Some(table) = header.table() else { return Ok(None) };
        let Ok(pointer) = table.lookup(address, &self.bases) else { return Ok(None) };
        // The index says itself where the section begins, and readers subtract that.
        if pointer.direct().ok() < header.eh_frame_ptr().direct().ok() {
            return Err("its index of tables for exceptions is broken");
        }
        let offset = table.pointer_to_offset(pointer).ok();
        Ok(offset.and_then(|at| self.section.fde_from_offset(&self.bases, at, EhFrame::cie_from_offset).ok()))
    }

    fn ends(&self, table: &FrameDescriptionEntry<Bytes<'a>>) -> bool {
        let cie = table.cie();
        [cie.instructions(&self.section, &self.bases), table.instructions(&self.section, &self.bases)]
            .into_iter()
            .all(|instructions| self.jumps_nowhere(instructions, cie.encoding()))
    }

    fn jumps_nowhere(
        &self,
        mut instructions: CallFrameInstructionIter<'_, Bytes<'a>>,
        encoding: gimli::Encoding,
    ) -> bool {
        for _ in 0..MOST {
            let expression: UnwindExpression<usize> = match instructions.next() {
                // Behind what can't be read, nobody goes on.
                Ok(None) | Err(_) => return true,
                Ok(Some(
                    CallFrameInstruction::DefCfaExpression { expression }
                    | CallFrameInstruction::Expression { expression, .. }
                    | CallFrameInstruction::ValExpression { expression, .. },
                )) => expression,
                Ok(Some(_)) => continue,
            };
            let Ok(expression) = expression.get(&self.section) else { continue };
            let mut operations = expression.operations(encoding);
            while let Ok(Some(operation)) = operations.next() {
                if matches!(operation, Operation::Skip { .. } | Operation::Bra { .. }) {
                    return false;
                }
            }
        }
        false
    }
}
