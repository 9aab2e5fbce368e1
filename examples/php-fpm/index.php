<?php
// With MODE=leak each request keeps 4 KiB of C memory, as a faulty extension would. PHP's own memory is given back at the
// end of every request, and memory_get_usage() knows nothing of this.
if (getenv('MODE') === 'leak') {
    $c = FFI::cdef('void *malloc(size_t size);');
    FFI::memset($c->malloc(4096), 1, 4096);
}
echo strlen(file_get_contents('php://input')), "\n";
