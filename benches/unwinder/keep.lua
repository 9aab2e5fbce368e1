local ffi = require('ffi')
ffi.cdef [[void *malloc(size_t); void free(void *); char *strdup(const char *);]]
local kept = {}
local function serve(n)
  for i = 1, 2000 do ffi.C.free(ffi.C.malloc(100 + i % 1000)) end
  for i = 1, n do ffi.C.strdup('a text that is kept') end
  for i = 1, 200 do kept[#kept + 1] = string.rep('x', i) end
end
for i = 1, 100 do serve(300) end
print('ready')
io.flush()
ffi.cdef [[unsigned sleep(unsigned);]]
ffi.C.sleep(600)
