//! The page at `/ui`: files that are part of the program, with a policy that runs nothing else.

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use include_dir::{Dir, File, include_dir};
use sha2::{Digest, Sha256};

use super::problem::Problem;

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/ui");

/// Only what comes from here, and nothing that stands in the page itself: what the network said cannot become a script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
    connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'";

pub(super) async fn to_index() -> Redirect {
    Redirect::permanent("/ui/")
}

pub(super) async fn index(headers: HeaderMap) -> Response {
    answer("index.html", &headers)
}

pub(super) async fn file(Path(path): Path<String>, headers: HeaderMap) -> Response {
    answer(&path, &headers)
}

fn answer(path: &str, headers: &HeaderMap) -> Response {
    // The page finds its own way among addresses without an ending.
    let found =
        FILES.get_file(path).or_else(|| if path.contains('.') { None } else { FILES.get_file("index.html") });
    let Some(file) = found else {
        return Problem::new(StatusCode::NOT_FOUND, format!("the page has no file `{path}`")).into_response();
    };
    let tag = tag(file);
    let known = headers.get(IF_NONE_MATCH).is_some_and(|v| *v == tag);
    let head = [
        (CONTENT_TYPE, HeaderValue::from_static(kind(file))),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (ETAG, tag),
    ];
    if known {
        (StatusCode::NOT_MODIFIED, head).into_response()
    } else {
        (head, file.contents()).into_response()
    }
}

fn tag(file: &File<'_>) -> HeaderValue {
    let digest = Sha256::digest(file.contents());
    let hex: String = digest[..8].iter().map(|b| format!("{b:02x}")).collect();
    HeaderValue::from_str(&format!("\"{hex}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

fn kind(file: &File<'_>) -> &'static str {
    match file.path().extension().and_then(|e| e.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("json" | "webmanifest" | "map") => "application/json",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
