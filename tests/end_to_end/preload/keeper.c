// A library that keeps 1000 bytes every two milliseconds in whatever process it is loaded into, and in the children of that.

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void *volatile kept;

__attribute__((noinline)) void keep_this(void) {
    void **block = malloc(1000);
    *block = kept;
    kept = block;
}

static void *keep(void *unused) {
    for (;;) {
        keep_this();
        usleep(2000);
    }
}

static void start(void) {
    pthread_t thread;
    pthread_create(&thread, 0, keep, 0);
}

__attribute__((constructor)) static void begin(void) {
    pthread_atfork(0, 0, start);
    start();
}
