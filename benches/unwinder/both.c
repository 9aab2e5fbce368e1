// Walks the stack of a sampled `malloc` in the target with the C compiler's unwinder, and copies registers and stack for somebody
// else to walk (examples/unwinder.rs), both at the same calls. Without COPY it only walks, without WALK it only copies.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unwind.h>

// What examples/unwinder.rs reads, at the same address in each process.
enum { DEPTH = 64, KEPT = WALK && COPY ? 8192 : 256 };
struct sample {
    uint64_t depth, length, ip, sp, bp, frames[DEPTH], stack[COPY ? COPY / 8 : 1];
};
struct region {
    _Atomic uint64_t made;
    struct sample samples[KEPT];
};
#define REGION ((struct region *)0x200000000000)

static void *(*next)(size_t);
static long mean;
static _Atomic int ready;
static int once;
static __thread long left;
static __thread char busy;
static __thread uintptr_t low, high;

// How far the stack goes that this is in: that of the thread, or else no further than the page, beyond which nothing may be mapped.
static uintptr_t end_of(uintptr_t sp) {
    if (!high) {
        pthread_attr_t attributes;
        void *from;
        size_t size;
        high = 1;
        if (!pthread_getattr_np(pthread_self(), &attributes)) {
            pthread_attr_getstack(&attributes, &from, &size);
            pthread_attr_destroy(&attributes);
            low = (uintptr_t)from, high = low + size;
        }
    }
    return sp >= low && sp < high ? high : (sp | 4095) + 1;
}

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("UNWINDER_MEAN");
    mean = text ? atol(text) : 1L << 60;
    once = WALK && COPY;
    next = dlsym(RTLD_NEXT, "malloc");
    void *at = mmap(REGION, sizeof(struct region), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    // Now, for what says so allocates under a lock.
    busy = 1;
    end_of(0);
    busy = 0;
    ready = at == REGION;
}

static _Unwind_Reason_Code frame(struct _Unwind_Context *context, void *data) {
    struct sample *to = data;
    int before = 0;
    uintptr_t ip = _Unwind_GetIPInfo(context, &before);
    struct dl_find_object found;
    if (!ip || to->depth == DEPTH) return _URC_END_OF_STACK;
    to->frames[to->depth++] = ip - !before;
    // LuaJIT's tables end the process.
    return _dl_find_object((void *)ip, &found) ? _URC_END_OF_STACK : _URC_NO_REASON;
}

__attribute__((noinline)) static void take(void) {
    uint64_t number = REGION->made++;
    if (once && number >= KEPT) return;
    struct sample *to = &REGION->samples[number % KEPT];
    to->depth = 0;
    if (COPY) {
        uintptr_t ip, sp, bp;
        __asm__ volatile("lea 0(%%rip), %0\n mov %%rsp, %1\n mov %%rbp, %2" : "=r"(ip), "=r"(sp), "=r"(bp));
        uintptr_t bytes = end_of(sp) - sp;
        to->ip = ip, to->sp = sp, to->bp = bp, to->length = bytes < COPY ? bytes & ~7ul : COPY;
        memcpy(to->stack, (void *)sp, to->length);
    }
    if (WALK) _Unwind_Backtrace(frame, to);
}

void *malloc(size_t bytes) {
    if (!next) next = dlsym(RTLD_NEXT, "malloc");
    void *block = next(bytes);
    left -= bytes;
    if (left < 0 && ready && !busy) {
        busy = 1, left = mean;
        take();
        busy = 0;
    }
    return block;
}
