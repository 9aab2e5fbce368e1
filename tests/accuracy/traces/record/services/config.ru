# A Rack page that makes rows of changing number and keeps nothing.
visits = 0
run lambda { |env|
  visits += 1
  rows = Array.new(20 + visits * 37 % 400) { |id| { id: id, name: 'n' * (id % 50) } }
  [200, { 'content-type' => 'text/plain' }, [rows.to_s[0, 2000]]]
}
