//! Which frame of a stack is the site: the innermost one that is no allocator, nor a function whose work is to allocate
//! for others. Where that is a function of a script's runtime, it is what the script called.

use crate::model::{CallStack, Frame};

/// Modules of which nothing is the site: C libraries, allocators, and what allocates or calls for its callers.
const MODULES: [&str; 11] = [
    "ld-linux",
    "libapr-1.",
    "libaprutil-1.",
    "libc.so",
    "libc-2.",
    "libffi.",
    "libjemalloc.",
    "libmimalloc.",
    "libstdc++.",
    "libtcmalloc",
    "libgcc_s.",
];

/// Functions that allocate for their callers, or write for them, wherever they are inlined.
const FUNCTIONS: [&str; 29] = [
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

/// Beginnings of such functions' names: Rust's library, Go's runtime, C++'s `new`, the pools of APR.
const PREFIXES: [&str; 16] = [
    "alloc::",
    "<alloc::",
    "core::",
    "<core::",
    "std::",
    "<std::",
    "hashbrown::",
    "<hashbrown::",
    "runtime.",
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

/// Where the functions of a runtime's own library lie that are scripts themselves: Node's, and what Python has frozen.
const LIBRARY_FILES: [&str; 2] = ["node:", "<frozen "];

/// How the names of Java's and .NET's own packages begin.
const LIBRARY_PACKAGES: [&str; 7] = ["java.", "javax.", "jdk.", "sun.", "Ljava/", "Ljdk/", "[System."];

/// The runtime of a script.
struct Runtime {
    /// How the names of its program and its library begin, the latter after `lib`.
    name: &'static str,
    /// How the functions begin that execute the script's code.
    executes: &'static [&'static str],
    /// How those of them begin that enter one of the script's functions, which isn't named by them.
    enters: &'static [&'static str],
}

/// The runtimes that are known. Java's executes code that it makes.
#[rustfmt::skip]
const RUNTIMES: [Runtime; 6] = [
    Runtime { name: "python", executes: &["_PyEval_EvalFrame"], enters: &["_PyEval_EvalFrame"] },
    Runtime { name: "perl", executes: &["Perl_runops_"], enters: &["Perl_runops_"] },
    Runtime { name: "php", executes: &["execute_ex"], enters: &["execute_ex"] },
    Runtime { name: "ruby", executes: &["rb_vm_exec", "vm_exec"], enters: &["rb_vm_exec", "vm_exec"] },
    Runtime { name: "node", executes: &["Builtins_"], enters: &["Builtins_InterpreterEntryTrampoline"] },
    Runtime { name: "jvm", executes: &[], enters: &[] },
];

/// Code that a runtime has made, and which isn't known to be a script's function.
pub(super) const GENERATED: &str = "[generated]";

/// A function of a script, whatever executes it.
pub const SCRIPT: &str = "[script]";

/// What Java calls the code that executes functions it hasn't compiled.
const INTERPRETER: &str = "Interpreter";

/// What C++ calls a namespace without a name, which isn't where the parameters begin.
const UNNAMED: &str = "(anonymous namespace)";

/// What is in the names of functions by which runtimes call what the script called.
const CALLS: &str = "call";

impl Runtime {
    fn of(frame: &Frame) -> Option<&'static Self> {
        RUNTIMES.iter().find(|runtime| runtime.has(frame))
    }

    /// Whether a frame is in its program or its library, and not in an extension of it.
    fn has(&self, frame: &Frame) -> bool {
        let module = file_name(frame);
        let library = module.strip_prefix("lib");
        library.unwrap_or(module).starts_with(self.name) && (library.is_some() || !module.contains(".so"))
    }

    fn executes(&self, frame: &Frame) -> bool {
        is_made(frame) || self.is_one_of(frame, self.executes)
    }

    fn is_one_of(&self, frame: &Frame, beginnings: &[&str]) -> bool {
        let function = frame.function.as_deref().unwrap_or_default();
        self.has(frame) && beginnings.iter().any(|name| function.starts_with(name))
    }

    /// What the script called, of a stack whose innermost frame is this runtime's: the innermost code of another module, or else the
    /// script's function, or, where its name isn't known, the outermost function of the runtime; `None` if the script isn't on the stack,
    /// or nothing has a name.
    fn called<'a>(&self, frames: &'a [Frame]) -> Option<&'a Frame> {
        let script = frames.iter().position(|frame| self.executes(frame))?;
        let (own, others): (Vec<&Frame>, Vec<&Frame>) =
            frames[..script].iter().filter(|frame| !allocates_for_others(frame)).partition(|frame| self.has(frame));
        let name = |function: &str| function.replace(UNNAMED, "").split('(').next().unwrap_or_default().to_lowercase();
        let calls = |function: &String| name(function).contains(CALLS);
        let named = |frame: &&Frame| frame.function.as_ref().is_some_and(|function| !calls(function));
        let function = || script_function(&frames[script..], |frame| self.is_one_of(frame, self.enters));
        others.first().copied().or_else(function).or_else(|| own.into_iter().rev().find(named))
    }
}

/// Whether a runtime has made this code.
fn is_made(frame: &Frame) -> bool {
    [GENERATED, SCRIPT].contains(&frame.module.as_str())
}

/// The function of the script that the innermost of these frames works for; `None` if its name isn't known. Of the frames further out,
/// what `enters` a function of the script may have entered another one.
fn script_function(frames: &[Frame], enters: impl Fn(&Frame) -> bool) -> Option<&Frame> {
    let is_function = |frame: &Frame| frame.module == SCRIPT && !is_library(frame);
    let unknown = |frame: &Frame| {
        frame.module == GENERATED && frame.function.as_deref().is_none_or(|function| function == INTERPRETER)
    };
    let mut further = frames.iter().enumerate();
    let (_, ends) = further.find(|(n, frame)| is_function(frame) || unknown(frame) || *n > 0 && enters(frame))?;
    is_function(ends).then_some(ends)
}

/// Whether a function of a script is of the runtime's own library, and works for others. Java and .NET write what it returns first.
fn is_library(frame: &Frame) -> bool {
    let begins = |text: &Option<String>, names: &[&str]| {
        text.as_deref().is_some_and(|text| names.iter().any(|name| text.starts_with(name)))
    };
    let behind = |text: &String| text.split_once(' ').map(|(_, name)| name.to_owned());
    begins(&frame.file, &LIBRARY_FILES)
        || begins(&frame.function, &LIBRARY_PACKAGES)
        || frame.function.as_ref().is_some_and(|name| begins(&behind(name), &LIBRARY_PACKAGES))
}

fn file_name(frame: &Frame) -> &str {
    frame.module.rsplit('/').next().unwrap_or_default()
}

/// The site of a stack; its innermost frame if all of them allocate for others, an empty one if there is none.
pub fn site(stack: &CallStack) -> Frame {
    let asks = stack.frames.iter().find(|frame| !allocates_for_others(frame)).or(stack.frames.first());
    let called = asks.and_then(|frame| match Runtime::of(frame) {
        Some(runtime) => runtime.called(&stack.frames),
        None if is_made(frame) => script_function(&stack.frames, |_| false),
        None => None,
    });
    let mut frame = called.or(asks).cloned().unwrap_or_default();
    if frame.function.is_some() {
        // Two calls in one line are one site; two lines of one function are two.
        frame.offset = 0;
    }
    frame
}

fn allocates_for_others(frame: &Frame) -> bool {
    let (module, function) = (file_name(frame), frame.function.as_deref().unwrap_or_default());
    MODULES.iter().any(|name| module.starts_with(name))
        || frame.module == SCRIPT && is_library(frame)
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

    /// A stack of `heap.collapsed`, outermost first, in short: `module:function`, `module+offset`.
    fn recorded(collapsed: &str) -> String {
        let frame = |text: &str| match text.split_once(':') {
            Some((SCRIPT, function)) => frame(SCRIPT, function, "script"),
            Some((module, function)) => frame(module, function, ""),
            None => frame(text.split_once('+').unwrap().0, "", ""),
        };
        let frames = collapsed.split(';').rev().map(frame).collect();
        site(&CallStack { frames }).function.unwrap_or_default()
    }

    #[test]
    fn of_a_runtime_the_site_is_what_the_script_called() {
        for (stack, expected) in [
            // Extensions that keep what the runtime made for them.
            (
                "python3.11:_PyEval_EvalFrameDefault;leaky.so:leak;leaky.so:forget_text;python3.11:PyUnicode_New;libc.so.6:__GI___libc_malloc;libc.so.6:_int_malloc",
                "forget_text",
            ),
            ("python3.11:_PyEval_EvalFrameDefault;leaky.so:leak;python3.11:PyBytes_FromStringAndSize", "leak"),
            (
                "python3.11:_PyEval_EvalFrameDefault;_webp.so:_anim_decoder_get_next;python3.11:PyBytes_FromStringAndSize;python3.11:_PyBytes_FromSize",
                "_anim_decoder_get_next",
            ),
            (
                "perl:Perl_runops_standard;perl:Perl_pp_entersub;Leaky.so:XS_Leaky_keep;perl:Perl_newSV;perl:Perl_safesysmalloc",
                "XS_Leaky_keep",
            ),
            // One that calls a script back, which keeps it, is not to blame.
            (
                "python3.11:_PyEval_EvalFrameDefault;_asyncio.so:task_step;python3.11:PyObject_Vectorcall;python3.11:_PyEval_EvalFrameDefault;python3.11:PyUnicode_Concat;python3.11:PyUnicode_New",
                "PyUnicode_Concat",
            ),
            // Scripts alone.
            ("python3.11:Py_RunMain;python3.11:_PyEval_EvalFrameDefault;python3.11+0x19badf", ""),
            (
                "python3.11:_PyEval_EvalFrameDefault;python3.11:PyObject_Vectorcall;python3.11:_PyObject_MakeTpCall;python3.11:PyByteArray_Resize;python3.11:PyMem_Realloc",
                "PyByteArray_Resize",
            ),
            (
                "perl:main;perl:perl_run;perl:Perl_runops_standard;perl:Perl_pp_multiconcat;perl:Perl_sv_grow;perl:Perl_safesysmalloc",
                "Perl_pp_multiconcat",
            ),
            (
                "perl:Perl_runops_standard;perl:Perl_pp_push;perl:Perl_sv_setsv_flags;perl:Perl_sv_upgrade;perl:Perl_more_bodies;perl:Perl_safesysmalloc",
                "Perl_pp_push",
            ),
            (
                "php8.2:php_execute_script;php8.2:zend_execute;php8.2:execute_ex;php8.2+0x33cd6f;php8.2:concat_function;php8.2:__zend_malloc",
                "concat_function",
            ),
            (
                "php8.2:zend_execute;php8.2:execute_ex;php8.2+0x33cd6f;php8.2:concat_function;php8.2+0x2d50b6",
                "concat_function",
            ),
            (
                "ruby3.1+0x110a;libruby-3.1.so.3.1.2:ruby_run_node;libruby-3.1.so.3.1.2:rb_vm_exec;libruby-3.1.so.3.1.2+0x24ec3d;libruby-3.1.so.3.1.2:rb_str_times;libruby-3.1.so.3.1.2+0x1ec5bd;libruby-3.1.so.3.1.2+0xd8483",
                "rb_str_times",
            ),
            (
                "node:Builtins_CallApiCallback;node:node::Buffer::(anonymous namespace)::CreateUnsafeArrayBuffer(v8::FunctionCallbackInfo<v8::Value> const&);node:v8::internal::BackingStore::Allocate;node:node::NodeArrayBufferAllocator::AllocateUninitialized",
                "node::Buffer::(anonymous namespace)::CreateUnsafeArrayBuffer(v8::FunctionCallbackInfo<v8::Value> const&)",
            ),
            ("[generated]+0x7f;libjvm.so:Unsafe_AllocateMemory0;libjvm.so:os::malloc", "Unsafe_AllocateMemory0"),
            (
                "php-fpm8.2:zend_execute;php-fpm8.2:execute_ex;ffi.so:zend_ffi_call;libffi.so.8.1.2:ffi_call;libffi.so.8.1.2+0x6f79;libc.so.6:malloc",
                "zend_ffi_call",
            ),
            // Functions of the script, where a map of the runtime names them, and what was executed further in is known.
            (
                "[script]:main;[script]:keep;node:Builtins_CallProperty1Handler;node:Builtins_CallApiCallback;node:node::Buffer::Alloc",
                "keep",
            ),
            (
                "[script]:main;[script]:keep;node:Builtins_TypedArrayPrototypeFill;libc.so.6:__memset_avx2_unaligned_erms",
                "keep",
            ),
            (
                "[script]:main;node:Builtins_InterpreterEntryTrampoline;node:Builtins_CallProperty1Handler;node:node::Buffer::Alloc",
                "node::Buffer::Alloc",
            ),
            (
                "[script]:void K.keep(int);[generated]:StubRoutines (1);libjvm.so:Unsafe_AllocateMemory0",
                "void K.keep(int)",
            ),
            ("[script]:void K.keep(int);[generated]:StubRoutines (2)", "void K.keep(int)"),
            // A runtime's own library of scripts works for others.
            (
                "[script]:void K.keep(int);[script]:java.nio.ByteBuffer java.nio.DirectByteBuffer.put(int, byte)",
                "void K.keep(int)",
            ),
            (
                "[script]:void K.keep(int);[script]:void java.nio.Bits.reserve(long);libjvm.so:Unsafe_AllocateMemory0",
                "void K.keep(int)",
            ),
            (
                "[generated]:Interpreter;[script]:void java.nio.Bits.reserve(long);libjvm.so:Unsafe_SetMemory0",
                "Unsafe_SetMemory0",
            ),
            (
                "[script]:void K.main();[generated]:Interpreter;libjvm.so:Unsafe_AllocateMemory0",
                "Unsafe_AllocateMemory0",
            ),
            ("[script]:void K.main();[generated]+0x7f;libjvm.so:Unsafe_AllocateMemory0", "Unsafe_AllocateMemory0"),
            (
                "[script]:main;python3.12:_PyEval_EvalFrameDefault;[script]:keep;python3.12:py_trampoline_evaluator;python3.12:_PyEval_EvalFrameDefault;python3.12:bytes_repeat;python3.12:PyBytes_FromStringAndSize",
                "keep",
            ),
            (
                "[script]:main;python3.12:_PyEval_EvalFrameDefault;python3.12:PyObject_Vectorcall;python3.12:_PyEval_EvalFrameDefault;python3.12:bytes_repeat",
                "bytes_repeat",
            ),
            (
                "[script]:keep;python3.12:_PyEval_EvalFrameDefault;leaky.so:leak;python3.12:PyBytes_FromStringAndSize",
                "leak",
            ),
            // Go's runtime allocates for its program; what it keeps for itself is its own.
            (
                "worker:runtime.goexit;worker:main.main;worker:main.keep;worker:runtime.newobject;worker:runtime.memclrNoHeapPointers",
                "main.keep",
            ),
            (
                "worker:runtime.mstart;worker:runtime.gcBgMarkWorker;worker:runtime.(*spanSet).push",
                "runtime.(*spanSet).push",
            ),
            // No script is on the stack, or it isn't known to be one: no other module is blamed.
            ("apache2:main;libphp8.2.so:php_request_startup;libphp8.2.so:php_hash_environment", "php_hash_environment"),
            ("uwsgi:main;libpython3.11.so.1.0:Py_Initialize;libpython3.11.so.1.0:PyType_Ready", "PyType_Ready"),
            ("redis-server:main;redis-server:execute_ex;module.so:call_back;redis-server:createObject", "createObject"),
        ] {
            assert_eq!(recorded(stack), expected, "{stack}");
        }
    }

    #[test]
    fn what_works_for_a_script_is_passed_over() {
        let fill = frame("[script]", "_fill", "node:buffer");
        let native = frame("/usr/bin/node", "Builtins_TypedArrayPrototypeFill", "");
        let keep = frame("[script]", "keep", "/srv/worker.js");
        for inner in [vec![fill.clone()], vec![native.clone(), fill.clone()], vec![native, fill.clone(), fill.clone()]]
        {
            assert_eq!(site_of(&[inner, vec![keep.clone()]].concat()), "keep");
        }
        assert_eq!(site_of(&[fill]), "_fill");
    }

    #[test]
    fn what_only_allocates_is_its_own_site() {
        let apr = frame("/usr/lib/libapr-1.so.0.7.2", "apr_palloc", "");
        assert_eq!(site_of(&[apr]), "apr_palloc");
        assert_eq!(site(&CallStack::default()), Frame::default());
        assert_eq!(site(&CallStack { frames: vec![frame("/srv/x", "", "")] }).offset, 7);
    }
}
