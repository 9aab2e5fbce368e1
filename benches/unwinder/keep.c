#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noinline)) static void *keep(int bytes) {
    char *block = malloc(bytes);
    block[0] = 1;
    return block;
}

__attribute__((noinline)) static int handle(int depth, int bytes) {
    volatile char buffer[200];
    buffer[0] = 1;
    if (depth) return handle(depth - 1, bytes) + buffer[0];
    void *block = keep(bytes);
    if (bytes % 3) free(block);
    return buffer[0];
}

// As of a server that reads into a buffer on its stack.
__attribute__((noinline)) static int buffered(int bytes) {
    volatile char buffer[8192];
    buffer[9] = 1;
    return handle(3, bytes) + buffer[9];
}

int main(void) {
    long sum = 0;
    for (int i = 0; i < 40000; i++) sum += handle(i % 12, i % 900 + 10) + buffered(i % 700 + 10);
    printf("ready %ld\n", sum);
    fflush(stdout);
    pause();
}
