//! Which frame of a stack is the site: the innermost one that is no allocator, nor a function whose work is to allocate
//! for others.

use crate::model::{CallStack, Frame};

/// Modules of which nothing is the site: C libraries, allocators, and runtimes that allocate for their callers.
const MODULES: [&str; 10] = [
    "ld-linux",
    "libapr-1.",
    "libaprutil-1.",
    "libc.so",
    "libc-2.",
    "libjemalloc.",
    "libmimalloc.",
    "libstdc++.",
    "libtcmalloc",
    "libgcc_s.",
];

/// Functions that allocate for their callers, or write for them, wherever they are inlined.
const FUNCTIONS: [&str; 43] = [
    "malloc",
    "calloc",
    "realloc",
    "reallocarray",
    "strdup",
    "strndup",
    "xmalloc",
    "xcalloc",
    "xrealloc",
    "xstrdup",
    "zmalloc",
    "zcalloc",
    "zrealloc",
    "g_malloc",
    "g_malloc0",
    "g_realloc",
    "g_strdup",
    "_emalloc",
    "_ecalloc",
    "_erealloc",
    "_safe_emalloc",
    "__zend_malloc",
    "__zend_calloc",
    "__zend_realloc",
    "PyMem_Malloc",
    "PyMem_Realloc",
    "PyObject_Malloc",
    "_PyObject_Malloc",
    "_PyObject_Realloc",
    "PyObject_Realloc",
    "_PyMem_RawMalloc",
    "my_malloc",
    "my_realloc",
    "my_strdup",
    "my_multi_malloc",
    "alloc_root",
    "multi_alloc_root",
    "strdup_root",
    "memdup_root",
    "memcpy",
    "memmove",
    "mempcpy",
    "memset",
];

/// Beginnings of such functions' names: Rust's library, C++'s `new`, the pools of APR.
const PREFIXES: [&str; 15] = [
    "alloc::",
    "<alloc::",
    "core::",
    "<core::",
    "std::",
    "<std::",
    "hashbrown::",
    "<hashbrown::",
    "__rust",
    "__rdl_",
    "operator new",
    "apr_p",
    "zmalloc_",
    "ztrymalloc_",
    "zrealloc_",
];

/// Rust's own library, where it was inlined into a program.
const RUST_SOURCE: &str = "/rustc/";

/// The site of a stack; its innermost frame if all of them allocate for others, an empty one if there is none.
pub fn site(stack: &CallStack) -> Frame {
    let found = stack.frames.iter().find(|frame| !allocates_for_others(frame)).or(stack.frames.first());
    let mut frame = found.cloned().unwrap_or_default();
    if frame.function.is_some() {
        // Two calls in one line are one site; two lines of one function are two.
        frame.offset = 0;
    }
    frame
}

fn allocates_for_others(frame: &Frame) -> bool {
    let module = frame.module.rsplit('/').next().unwrap_or_default();
    let function = frame.function.as_deref().unwrap_or_default();
    MODULES.iter().any(|name| module.starts_with(name))
        || FUNCTIONS.contains(&function)
        || PREFIXES.iter().any(|prefix| function.starts_with(prefix))
        || frame.file.as_deref().is_some_and(|file| file.starts_with(RUST_SOURCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(module: &str, function: &str, file: &str) -> Frame {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Frame { module: module.into(), offset: 7, function: some(function), file: some(file), line: None }
    }

    fn site_of(frames: &[Frame]) -> String {
        let site = site(&CallStack { frames: frames.to_vec() });
        site.function.unwrap_or(site.module)
    }

    #[test]
    fn the_site_is_who_asked_for_the_memory() {
        let main = frame("/usr/sbin/apache2", "main", "");
        let apr = frame("/usr/lib/libapr-1.so.0.7.2", "apr_palloc", "");
        let keep = frame("/srv/mod_upload.so", "keep_body", "mod_upload.c");
        assert_eq!(site_of(&[apr.clone(), keep.clone(), main.clone()]), "keep_body");
        let inlined = frame("/srv/mod_upload.so", "memset", "/usr/include/x86_64-linux-gnu/bits/string_fortified.h");
        assert_eq!(site_of(&[inlined, keep.clone()]), "keep_body");
        let libc = frame("/lib/libc.so.6", "__strdup", "");
        assert_eq!(site_of(&[libc, frame("/srv/x", "xstrdup", "xmalloc.c"), main.clone()]), "main");
        let rust = frame("/srv/worker", "with_capacity_in<u8>", "/rustc/abc/library/alloc/src/raw_vec.rs");
        let vec = frame("/srv/worker", "alloc::vec::from_elem", "/rustc/abc/library/alloc/src/vec/mod.rs");
        assert_eq!(site_of(&[rust, vec, frame("/srv/worker", "worker::serve", "src/main.rs")]), "worker::serve");
    }

    #[test]
    fn what_only_allocates_is_its_own_site() {
        let apr = frame("/usr/lib/libapr-1.so.0.7.2", "apr_palloc", "");
        assert_eq!(site_of(&[apr]), "apr_palloc");
        assert_eq!(site(&CallStack::default()), Frame::default());
        assert_eq!(site(&CallStack { frames: vec![frame("/srv/x", "", "")] }).offset, 7);
    }
}
