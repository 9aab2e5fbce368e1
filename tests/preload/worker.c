/* A program that counts what it allocates itself, to be compared with what the preload library counts.
 * Usage: worker MODE. It prints a line when it has reached a mark, and goes on when it reads one. */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static long live; /* bytes, by malloc_usable_size */

static void *counted(void *block) {
    __atomic_add_fetch(&live, malloc_usable_size(block), __ATOMIC_RELAXED);
    return block;
}

static void uncounted(void *block) {
    __atomic_sub_fetch(&live, malloc_usable_size(block), __ATOMIC_RELAXED);
}

static void mark(long value) {
    static char line[64];
    int length = snprintf(line, sizeof line, "%d %ld\n", getpid(), value);
    if (write(1, line, length) != length || read(0, line, 1) != 1) _exit(1);
}

static unsigned next(unsigned *state) {
    *state = *state * 1103515245u + 12345u;
    return *state >> 8;
}

/* Every form of allocation and of giving back, at random; leaves some blocks live. */
static void *churn(void *argument) {
    unsigned state = (unsigned)(uintptr_t)argument;
    void *blocks[256] = {0};
    for (int step = 0; step < 200000; step++) {
        void **block = &blocks[next(&state) % 256];
        size_t size = next(&state) % (step % 100 ? 700 : 300000) + 1;
        if (*block && next(&state) % 4 == 0) {
            uncounted(*block);
            void *moved = next(&state) % 2 ? realloc(*block, size) : reallocarray(*block, size, 1);
            *block = counted(moved);
            continue;
        }
        if (*block) {
            uncounted(*block);
            free(*block);
        }
        switch (next(&state) % 9) {
        case 0: *block = calloc(size, 1); break;
        case 1: *block = aligned_alloc(64, (size + 63) / 64 * 64); break;
        case 2: if (posix_memalign(block, 256, size)) abort(); break;
        case 3: *block = memalign(128, size); break;
        case 4: *block = valloc(size); break;
        case 5: *block = pvalloc(size); break;
        case 6: *block = strdup("a text that strdup copies"); break;
        default: *block = malloc(size);
        }
        counted(*block);
    }
    return NULL;
}

static void in_threads(int count, void *(*work)(void *)) {
    pthread_t threads[64];
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)(i + 1))) abort();
    for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
}

static void exact(void) {
    /* What the C library keeps for threads is made and kept before the first mark. */
    in_threads(8, churn);
    live = 0;
    mark(0);
    for (int round = 0; round < 3; round++) in_threads(8, churn);
    mark(live);
}

static void forked(void) {
    for (int i = 0; i < 1000; i++) counted(malloc(1000));
    mark(live);
    live = 0;
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 500; i++) counted(malloc(3000));
        mark(live);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    mark(live);
}

static void mapped(void) {
    char *blocks[20];
    for (int i = 0; i < 20; i++) {
        blocks[i] = mmap(NULL, 64 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (blocks[i] == MAP_FAILED) abort();
    }
    mark(20 * (64 << 10));
    munmap(blocks[0], 64 << 10);                  /* whole */
    munmap(blocks[1], 4096);                      /* its head */
    munmap(blocks[2] + (60 << 10), 4096);         /* its tail */
    munmap(blocks[3] + (16 << 10), 16 << 10);     /* its middle */
    if (mremap(blocks[4], 64 << 10, 256 << 10, MREMAP_MAYMOVE) == MAP_FAILED) abort();
    mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);             /* can't hold anything */
    mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); /* is shared */
    mark((20 - 1 + 3) * (64 << 10) - 4096 - 4096 - (16 << 10));
}

__attribute__((noinline)) static void *keep_small(void) { return malloc(200); }
__attribute__((noinline)) static void *keep_large(void) { return malloc(40000); }
__attribute__((noinline)) static void *keep_mapping(void) {
    return mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
__attribute__((noinline)) static void *use(size_t size) { return malloc(size); }

/* Leaks known bytes from known places among a hundred times as much that is freed again. */
static void leaking(void) {
    static void *volatile kept;
    static void *cache[500];
    unsigned state = 7;
    for (int round = 0; round < 20000; round++) {
        kept = keep_small();
        if (round % 100 == 0) kept = keep_large();
        if (round % 20 == 0) kept = keep_mapping();
        for (int i = 0; i < 20; i++) free(use(next(&state) % 4000 + 1));
        void **old = &cache[next(&state) % 500];
        free(*old);
        *old = use(2000);
    }
    mark(malloc_usable_size(kept ? malloc(200) : NULL));
}

static void *allocate_for_ever(void *stop) {
    unsigned state = 1;
    while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED)) free(malloc(next(&state) % 5000));
    return NULL;
}

/* Forks while other threads allocate: the child must be able to. */
static void forking(void) {
    static int stop;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        if (pthread_create(&threads[i], NULL, allocate_for_ever, &stop)) abort();
    long failed = 0;
    for (int i = 0; i < 300; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            for (int n = 0; n < 1000; n++) free(malloc(n * 10));
            _exit(0);
        }
        int status;
        waitpid(child, &status, 0);
        failed += status != 0;
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    mark(failed);
}

int main(int count, char **arguments) {
    const char *mode = count > 1 ? arguments[1] : "";
    if (!strcmp(mode, "exact")) exact();
    else if (!strcmp(mode, "forked")) forked();
    else if (!strcmp(mode, "mapped")) mapped();
    else if (!strcmp(mode, "leaking")) leaking();
    else if (!strcmp(mode, "forking")) forking();
    else return 2;
    return 0;
}
