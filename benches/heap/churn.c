/* Frees and allocates blocks at random, for benches/heap.sh.
 * Usage: churn LIVE THREADS PAIRS: each thread keeps LIVE blocks and replaces one of them PAIRS times.
 * Prints the nanoseconds of CPU that a pair of free and malloc took, the best of three rounds, and the anonymous memory
 * of the process in KiB. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long live, pairs;

static uint64_t next(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static void *work(void *argument) {
    void **kept = argument;
    uint64_t state = (uintptr_t)argument | 1;
    for (long i = 0; i < pairs; i++) {
        uint64_t random = next(&state);
        void **slot = &kept[(random >> 32) * (uint64_t)live >> 32];
        free(*slot);
        /* Small blocks mostly, as programs do: half of them up to 64 bytes, few up to 4 KiB. */
        size_t size = 16 + (random & 63 & -(random >> 8 & 1)) + (random >> 9 & 255 & -(random >> 10 & 1));
        if ((random >> 20 & 31) == 0) size += random >> 12 & 4095;
        *slot = malloc(size);
        **(char **)slot = 1;
    }
    return NULL;
}

static double cpu(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

static long anonymous(void) {
    char line[256];
    long kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "RssAnon: %ld", &kib) == 1) break;
    if (status) fclose(status);
    return kib;
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    live = atol(arguments[1]);
    long threads = atol(arguments[2]);
    pairs = atol(arguments[3]);
    if (live < 1 || threads < 1 || threads > 64 || pairs < 1) return 2;
    void **kept[64];
    double best = 1e30;
    for (int i = 0; i < threads; i++)
        if (!(kept[i] = calloc(live, sizeof(void *)))) return 1;
    for (int round = 0; round < 4; round++) {
        pthread_t others[64];
        double begun = cpu();
        for (int i = 1; i < threads; i++)
            if (pthread_create(&others[i], NULL, work, kept[i])) return 1;
        work(kept[0]);
        for (int i = 1; i < threads; i++) pthread_join(others[i], NULL);
        /* The first round fills the blocks. */
        double took = cpu() - begun;
        if (round > 0 && took < best) best = took;
    }
    printf("%.2f %ld\n", best / (pairs * threads), anonymous());
    return 0;
}
