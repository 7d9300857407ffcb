//! Pages of the server's own: gates and what stands before them. They name no customer and run no script.

use axum::body::Body;
use axum::response::Response;
use data_encoding::BASE64;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use http::{HeaderValue, StatusCode};
use sha2::{Digest, Sha256};
use std::fmt::Write;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}\
    main{overflow-wrap:anywhere}h1{font-size:1.4rem}label{display:block;margin:1rem 0 .25rem}\
    input{font:inherit;padding:.5rem;width:100%;box-sizing:border-box;border:1px solid #767676}\
    button{font:inherit;margin-top:1rem;padding:.5rem 1.25rem}.note{border-left:4px solid #b45309;padding:.5rem 1rem;background:#fff7ed}\
    table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid #d4d4d4}\
    body.wide{max-width:75rem}.withheld{color:#9b1c1c}";

/// A page under these words.
pub(super) fn page(status: StatusCode, title: &str, body: &str, is_wide: bool) -> Response {
    let class = if is_wide { " class=\"wide\"" } else { "" };
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         </head>\n<body{class}>\n<main>\n<h1>{title}</h1>\n{body}</main>\n</body>\n</html>\n"
    );
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        BASE64.encode(&Sha256::digest(STYLE))
    );
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    // With `no-referrer` a browser says `Origin: null` of the page's own form, as it does of a stranger's (Fetch Standard,
    // "append a request `Origin` header").
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// A text as it may stand in HTML.
pub(super) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            // Controls, and what turns the direction of what follows.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}' => {
                let _ = write!(html, "\\u{{{:x}}}", u32::from(character));
            }
            control if control.is_control() => {
                let _ = write!(html, "\\u{{{:x}}}", u32::from(control));
            }
            other => html.push(other),
        }
    }
    html
}

/// What is said in a gate beside its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    NoAddress,
    NotAdmitted,
    WrongCode,
}

const TITLE: &str = "A report is shared by this link";

/// The gate that asks for an address. Where nobody verifies it, that is said.
pub(super) fn gate(status: StatusCode, said: Said, is_verified: bool) -> Response {
    let then = if is_verified {
        "If the report is shared with it, a code is sent there."
    } else {
        "It opens if the report is shared with it."
    };
    let body = format!(
        "{}<p>Enter your mail address. {then}</p>\n<form method=\"post\">\n<label for=\"email\">Mail address</label>\n\
         <input id=\"email\" name=\"email\" type=\"email\" autocomplete=\"email\" required maxlength=\"254\" autofocus>\n\
         <button>Continue</button>\n</form>\n{}",
        words(said),
        if is_verified { "" } else { UNVERIFIED }
    );
    page(status, TITLE, &body, false)
}

const UNVERIFIED: &str = "<p class=\"note\">This server does not verify that an address is yours: who knows the link and an address \
    that the report is shared with can open it.</p>\n";

/// The gate that asks for the code. It says the same whether one was sent or not.
pub(super) fn code(status: StatusCode, said: Said, address: &str) -> Response {
    let address = escaped(address);
    let body = format!(
        "{}<p>If the report is shared with {address}, a code is on its way there. It is good for ten minutes; an address gets no more \
         than five in an hour.</p>\n<form method=\"post\">\n<input type=\"hidden\" name=\"email\" value=\"{address}\">\n\
         <label for=\"code\">Code</label>\n<input id=\"code\" name=\"code\" inputmode=\"numeric\" autocomplete=\"one-time-code\" \
         pattern=\"[0-9]{{6}}\" required autofocus>\n<button>Open the report</button>\n</form>\n",
        words(said)
    );
    page(status, TITLE, &body, false)
}

fn words(said: Said) -> &'static str {
    match said {
        Said::Nothing => "",
        Said::NoAddress => "<p class=\"note\" role=\"alert\">That is no mail address.</p>\n",
        Said::NotAdmitted => {
            "<p class=\"note\" role=\"alert\">With this link and this address nothing opens. Ask whoever gave you the link.</p>\n"
        }
        Said::WrongCode => {
            "<p class=\"note\" role=\"alert\">This code opens nothing: it is wrong, was used, or is too old. Go back to ask for another \
             one.</p>\n"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_can_not_become_tags() {
        assert_eq!(escaped("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
        assert_eq!(escaped("a\u{202e}b\nc"), "a\\u{202e}b\\u{a}c");
    }
}
