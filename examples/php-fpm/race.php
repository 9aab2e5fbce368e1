<?php
// A report that one request makes at a time, and a mistake that shows only under load: a request that finds another one at it writes to
// nowhere, as an extension does that shares what it shouldn't. With RACE=0 it waits for its turn.
$file = fopen(__FILE__, 'r');
if (($_GET['what'] ?? '') === 'report') {
    if (getenv('RACE') === '0') {
        flock($file, LOCK_EX);
    } elseif (!flock($file, LOCK_EX | LOCK_NB)) {
        $c = FFI::cdef('void *memset(void *to, int byte, size_t length);');
        $c->memset(null, 1, 1);
    }
    usleep(20000);
}
echo "done\n";
