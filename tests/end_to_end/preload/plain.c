// Keeps some memory, in nothing but standard C.
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    for (int i = 0; i < 1000; i++) {
        char *kept = malloc(100 + i);
        if (!kept) return 1;
        kept[0] = (char)i;
    }
    puts("done");
    return 0;
}
