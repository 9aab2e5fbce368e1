// Allocates and frees below as many functions as the first argument says, as often as the second says.

#include <stdlib.h>
#include <string.h>

static volatile int zero;

__attribute__((noinline)) static void churn(long pairs) {
    for (long i = 0; i < pairs; i++) {
        char *block = malloc(100 + i % 64);
        block[0] = 1;
        free(block);
    }
}

__attribute__((noinline)) static int deep(int depth, long pairs) {
    volatile char buffer[400];
    buffer[0] = 1;
    if (depth) return deep(depth - 1, pairs) + buffer[0];
    churn(pairs);
    return buffer[0];
}

int main(int count, char **arguments) {
    // So much lies further out that a copy is never cut short.
    char room[60000];
    memset(room, zero, sizeof room);
    return (deep(atoi(arguments[1]), atol(arguments[2])) + room[zero]) & 0;
}
