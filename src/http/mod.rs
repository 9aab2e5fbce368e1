//! HTTP/1.1 as far as it is spoken here: one answer read from its bytes, one page fetched, form sent or text put within bounds, a few pages
//! served, and what may be written.

mod answer;
mod get;
mod serve;
mod spelling;

#[doc(hidden)]
pub use answer::read_answer;
pub use answer::{Answer, LONGEST_HEAD, Malformed};
pub use get::{Form, get, get_as, get_from_each, post, put};
pub use serve::{Page, serve};
pub use spelling::{is_field_value, is_token};
