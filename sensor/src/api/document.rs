//! The OpenAPI document: what the handlers say of themselves, and what is the same for all of them, from the table of who may.

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response, ResponseBuilder};

use super::access::{Access, ROUTES};

/// Completes the document of the handlers.
pub(super) fn complete(mut document: OpenApi) -> OpenApi {
    document.info.title = "Taphound".to_owned();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    document.info.description =
        Some("A network intrusion sensor that learns: alerts, reasons, labels.".to_owned());
    document.info.contact = None;
    let components = document.components.get_or_insert_default();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.security_schemes.insert("token".to_owned(), bearer.into());
    document.security = Some(vec![with_token()]);
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            if let Some((_, _, access)) = ROUTES.iter().find(|r| r.0 == method && r.1 == path) {
                describe(operation, *access);
            }
        }
    }
    document
}

fn with_token() -> SecurityRequirement {
    SecurityRequirement::new("token", Vec::<String>::new())
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [("GET", &mut item.get), ("POST", &mut item.post), ("PUT", &mut item.put), ("DELETE", &mut item.delete)]
        .into_iter()
        .filter_map(|(method, operation)| operation.as_mut().map(|operation| (method, operation)))
}

/// What every route does alike: who may use it, and what is answered before the handler is reached or beside it.
fn describe(operation: &mut Operation, access: Access) {
    let mut refusals = vec![
        ("429", "Too many requests; `Retry-After` says when to come back"),
        (
            "503",
            "Not now: it took too long, or the store does not answer; `Retry-After` may say when to come back",
        ),
    ];
    let needed = match access {
        Access::Open => {
            operation.security = Some(Vec::new());
            None
        }
        Access::HereOr(role) | Access::LegacyOr(role) => {
            operation.security = Some(vec![with_token(), SecurityRequirement::default()]);
            Some(role)
        }
        Access::Needs(role) => Some(role),
    };
    if let Some(role) = needed {
        refusals.push(("401", "No token, or one that is not valid (any more)"));
        refusals.push(("403", "The token is good, and its role may not do this"));
        operation.extensions.get_or_insert_default().insert("x-role".into(), role.as_str().into());
    }
    if let Some(RefOr::T(body)) = &operation.request_body {
        refusals.push(("413", "The body is larger than is taken"));
        if body.content.contains_key("application/json") {
            refusals.push(("415", "The body is not said to be `application/json`"));
        }
    }
    for (status, description) in refusals {
        let responses = &mut operation.responses.responses;
        responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(problem(description)));
    }
}

fn problem(description: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new().description(description).content("application/problem+json", content).build()
}
