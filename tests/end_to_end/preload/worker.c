/* A program that counts what it allocates itself, to be compared with what the preload library counts.
 * Usage: worker MODE. It prints a line when it has reached a mark, and goes on when it reads one. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <grp.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
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
    /* Address space is reserved, and parts of it are opened, made read-only, and closed again, as runtimes do. */
    char *space = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED || munmap(space, 64 << 10) || munmap(space + (960 << 10), 64 << 10)) abort();
    if (mprotect(space + (128 << 10), 256 << 10, PROT_READ | PROT_WRITE)) abort();
    memset(space + (128 << 10), 1, 256 << 10);
    if (mprotect(space + (256 << 10), 256 << 10, PROT_READ | PROT_WRITE)) abort(); /* half of it is open */
    if (mprotect(space + (128 << 10), 64 << 10, PROT_READ)) abort();
    if (mprotect(space + (320 << 10), 64 << 10, PROT_NONE)) abort();
    mark((20 - 1 + 3) * (64 << 10) - 4096 - 4096 - (16 << 10) + (320 << 10));
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

/* Allocates, and makes the C library free something of its own when the thread has ended. */
static void *short_life(void *unused) {
    (void)unused;
    for (int i = 0; i < 20; i++) {
        void *block = counted(malloc(100 + i));
        if (i % 2) {
            uncounted(block);
            free(block);
        }
    }
    strerror(100000);
    dlopen("/nowhere.so", RTLD_NOW);
    dlerror();
    return NULL;
}

/* Threads come and go. */
static void threads(void) {
    in_threads(8, short_life);
    live = 0;
    mark(0);
    for (int round = 0; round < 250; round++) in_threads(8, short_life);
    mark(live);
}

static void *wait_for_ever(void *reached) {
    free(malloc(100));
    __atomic_add_fetch((int *)reached, 1, __ATOMIC_RELAXED);
    for (;;) pause();
}

/* Children of a process with many threads start as many of their own, and so on. */
static void generations(void) {
    counted(malloc(1000));
    mark(0);
    for (int generation = 0; generation < 10; generation++) {
        int reached = 0;
        pthread_t thread;
        for (int i = 0; i < 30; i++)
            if (pthread_create(&thread, NULL, wait_for_ever, &reached)) abort();
        while (__atomic_load_n(&reached, __ATOMIC_RELAXED) < 30) usleep(100);
        pid_t child = fork();
        if (child > 0) {
            waitpid(child, NULL, 0);
            _exit(0);
        }
    }
    mark(0);
}

static void on_alarm(int number) {
    (void)number;
    static char *mapping;
    free(malloc(3000));
    if (mapping) munmap(mapping, 8192);
    mapping = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* A handler allocates while the program maps and unmaps, which it may do in a handler. */
static void signals(void) {
    for (int i = 0; i < 1000; i++) counted(malloc(1000));
    mark(0);
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 20000; i++) {
        char *mapping = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (mapping == MAP_FAILED) abort();
        mapping[0] = mapping[16383] = 1;
        munmap(mapping, 16384);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    mark(0);
}

/* What servers do to themselves after their start; chroot and another user only if they may. */
static void confined(void) {
    for (int descriptor = 3; descriptor < 1024; descriptor++) close(descriptor);
    if (geteuid() == 0 && (chroot("/proc/self/fdinfo") || chdir("/") || setgroups(0, NULL) || setgid(65534) || setuid(65534)))
        _exit(3);
    in_threads(4, churn);
    live = 0;
    mark(0);
    in_threads(4, churn);
    for (int i = 0; i < 1000; i++) counted(malloc(1000));
    mark(live);
}

/* Children are killed while they allocate and sample; their parent doesn't notice. */
static void killed(void) {
    counted(malloc(1000));
    live = 0;
    mark(0);
    unsigned state = 3;
    for (int i = 0; i < 100; i++) {
        pid_t child = fork();
        if (child == 0)
            for (;;) free(malloc(next(&state) % 5000));
        usleep(next(&state) % 2000);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        counted(malloc(1000));
    }
    mark(live);
}

__attribute__((noinline)) static void *keep_many(void) { return malloc(2000); }

/* More blocks than the table has room for. */
static void full(void) {
    for (int i = 0; i < 60000; i++) counted(keep_many());
    mark(live);
}

/* More mappings than can be followed; then they are given back. */
static void mappings(void) {
    static void *pages[5000];
    mark(0);
    for (int i = 0; i < 5000; i++) pages[i] = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mark(5000 * 4096);
    for (int i = 0; i < 5000; i++) munmap(pages[i], 4096);
    mark(0);
}

/* Allocates under a stack of its own for each path. */
__attribute__((noinline)) static int left(unsigned path, int depth);
__attribute__((noinline)) static int right(unsigned path, int depth);

static void *volatile leaf;

__attribute__((noinline)) static int turn(unsigned path, int depth) {
    if (!depth) return (leaf = malloc(4000)) != 0;
    return 3 + (path & 1 ? left(path >> 1, depth - 1) : right(path >> 1, depth - 1));
}

static int left(unsigned path, int depth) { return 1 + turn(path, depth); }
static int right(unsigned path, int depth) { return 2 + turn(path, depth); }

/* More stacks than there is room for: of every eighth the block is kept. */
static void stacks(void) {
    for (unsigned path = 0; path < 1 << 14; path++) {
        turn(path, 14);
        if (path % 8) free(leaf);
        else counted(leaf);
    }
    mark(live);
}

static int stop;

static void *churn_until_stopped(void *argument) {
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) churn(argument);
    return NULL;
}

static void load_and_unload(void) {
    void *library = dlopen("libBrokenLocale.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library || dlclose(library)) abort();
}

/* Eight threads allocate for SECONDS, with forks and loading of libraries in between; nothing they count may get lost. */
static void torture(void) {
    const char *seconds = getenv("SECONDS");
    in_threads(8, churn);
    /* The loader keeps two tables of its own, one for each time. */
    for (int i = 0; i < 4; i++) load_and_unload();
    live = 0;
    mark(0);
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        if (pthread_create(&threads[i], NULL, churn_until_stopped, (void *)(uintptr_t)(i + 1))) abort();
    long failed = 0;
    for (time_t end = time(NULL) + (seconds ? atol(seconds) : 1); time(NULL) < end;) {
        pid_t child = fork();
        if (child == 0) {
            alarm(60);
            in_threads(2, short_life);
            for (int n = 0; n < 3000; n++) free(malloc(n * 10));
            _exit(0);
        }
        load_and_unload();
        int status;
        waitpid(child, &status, 0);
        failed += status != 0;
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    mark(failed ? -1 : live);
}

__attribute__((noinline)) static void *leak_node(void) { return malloc(56); }
__attribute__((noinline)) static void *leak_body(void) { return malloc(2040); }
__attribute__((noinline)) static void *leak_file(void) { return malloc(40000); }

/* Leaks about 4 MB from three places among about eighty times as much that is freed, at random by SEED. Its marks say
 * how much each of them leaked. */
static void seeded(void) {
    static void *volatile kept;
    const char *seed = getenv("SEED");
    unsigned state = seed ? (unsigned)atol(seed) * 2654435761u + 1 : 1;
    long nodes = 0, bodies = 0, files = 0;
    for (int round = 0; round < 20000; round++) {
        if (next(&state) % 2) kept = leak_node(), nodes += malloc_usable_size(kept);
        if (next(&state) % 20 == 0) kept = leak_body(), bodies += malloc_usable_size(kept);
        if (next(&state) % 500 == 0) kept = leak_file(), files += malloc_usable_size(kept);
        for (int i = 0; i < 9; i++) free(use(next(&state) % 4000 + 1));
    }
    mark(nodes);
    mark(bodies);
    mark(files);
}

int main(int count, char **arguments) {
    const char *mode = count > 1 ? arguments[1] : "";
    if (!strcmp(mode, "exact")) exact();
    else if (!strcmp(mode, "forked")) forked();
    else if (!strcmp(mode, "mapped")) mapped();
    else if (!strcmp(mode, "leaking")) leaking();
    else if (!strcmp(mode, "forking")) forking();
    else if (!strcmp(mode, "threads")) threads();
    else if (!strcmp(mode, "generations")) generations();
    else if (!strcmp(mode, "signals")) signals();
    else if (!strcmp(mode, "confined")) confined();
    else if (!strcmp(mode, "killed")) killed();
    else if (!strcmp(mode, "full")) full();
    else if (!strcmp(mode, "mappings")) mappings();
    else if (!strcmp(mode, "stacks")) stacks();
    else if (!strcmp(mode, "torture")) torture();
    else if (!strcmp(mode, "seeded")) seeded();
    else return 2;
    return 0;
}
