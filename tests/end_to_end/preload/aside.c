// A program in places where the preload library has to take care: on stacks of 4 KiB, where no system call is allowed, under a
// sanitizer. Its first argument says which. At its mark it writes its number and how many bytes it keeps, and waits for a
// line; then it ends with 0.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { BLOCKS = 2000, BYTES = 1000, SMALL = 4096 };

static char *kept[BLOCKS];

static void mark(long value) {
    printf("%d %ld\n", getpid(), value);
    fflush(stdout);
    char line[8];
    if (!fgets(line, sizeof line, stdin)) exit(0);
}

// Memory that ends in a page that may not be touched, so that whoever needs more dies.
static char *small_stack(void) {
    char *low = mmap(0, SMALL + 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(low + 4096, SMALL, PROT_READ | PROT_WRITE);
    return low + 4096;
}

static __thread ucontext_t outside, inside;

static void keep_in_coroutine(void) {
    for (int i = 0; i < BLOCKS; i++) {
        char *block = malloc(BYTES);
        if (!kept[i]) kept[i] = block;
        else free(block);
        swapcontext(&inside, &outside);
    }
}

static void *coroutine(void *unused) {
    getcontext(&inside);
    inside.uc_stack.ss_sp = small_stack();
    inside.uc_stack.ss_size = SMALL;
    inside.uc_link = &outside;
    makecontext(&inside, keep_in_coroutine, 0);
    for (int i = 0; i < BLOCKS; i++) swapcontext(&outside, &inside);
    return 0;
}

static void in_threads(void *(*work)(void *)) {
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], 0, work, 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
}

static void *churn(void *unused) {
    for (int i = 0; i < 20000; i++) {
        char *block = malloc(i % 1000 + 1);
        block = realloc(block, i % 2000 + 1);
        char *other = 0;
        if (posix_memalign((void **)&other, 64, i % 300 + 1)) abort();
        free(other);
        free(calloc(i % 10 + 1, 30));
        free(block);
    }
    return 0;
}

static void keep_in_handler(int signal) {
    static int next;
    if (next < BLOCKS) kept[next++] = malloc(BYTES);
}

// A handler on a stack of its own, which is larger than the kernel's least and smaller than an unwinder's need.
static void handler(void) {
    static char other[16384];
    stack_t stack = {.ss_sp = other, .ss_size = sizeof other};
    sigaltstack(&stack, 0);
    struct sigaction action = {.sa_handler = keep_in_handler, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, 0);
    for (int i = 0; i < BLOCKS; i++) raise(SIGUSR1);
}

// Nothing but read, write and exit is allowed any more, and neither is the register that clocks are read from.
static void strict(void) {
    free(malloc(100000));
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    for (int i = 0; i < 20000; i++) {
        void *block = malloc(i % 60 + 1);
        free(realloc(block, 200));
    }
    if (write(1, "done\n", 5)) syscall(SYS_exit, 0);
}

int main(int count, char **arguments) {
    const char *mode = count > 1 ? arguments[1] : "";
    if (!strcmp(mode, "coroutine")) coroutine(0), mark(BLOCKS * BYTES);
    if (!strcmp(mode, "coroutines")) in_threads(coroutine), puts("done");
    if (!strcmp(mode, "handler")) handler(), mark(BLOCKS * BYTES);
    if (!strcmp(mode, "strict")) strict();
    if (!strcmp(mode, "errors")) puts(dlerror() ? "an error of somebody else" : "no error");
    if (!strcmp(mode, "churn")) in_threads(churn), puts("done");
    if (!strcmp(mode, "wait")) in_threads(churn), mark(0);
    if (!strcmp(mode, "broken")) {
        volatile char *block = malloc(8);
        free((void *)block);
        printf("%d\n", block[0] * 0);
    }
    return 0;
}
