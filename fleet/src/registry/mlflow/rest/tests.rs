//! What answers mean, and what is refused before anything is asked.

use super::*;

fn rest(uri: &str) -> Rest {
    Rest::open(&MlflowSettings::at(uri)).unwrap()
}

#[test]
fn paths_keep_their_names_and_the_servers_own_path() {
    let url = rest("http://host:5000/mlflow/").url("api/2.0/x/a b/ü?#");
    assert_eq!(url.as_str(), "http://host:5000/mlflow/api/2.0/x/a%20b/%C3%BC%3F%23");
}

#[test]
fn a_registry_is_a_url_of_the_web_and_holds_no_password() {
    for wrong in ["host:5000", "s3://bucket", "http://", "http://ann:secret@host"] {
        let error = Rest::open(&MlflowSettings::at(wrong)).map(|_| ()).unwrap_err();
        assert!(matches!(error, DoorError::Invalid { .. }), "{wrong}: {error}");
    }
}

#[test]
fn refusals_mean_what_mlflow_means_by_them() {
    let rest = rest("http://host");
    let refusal = |status: u16, body: &str| {
        rest.refusal("x", StatusCode::from_u16(status).unwrap(), body.as_bytes(), None)
    };
    let code = |code: &str| format!(r#"{{"error_code": "{code}", "message": "m"}}"#);
    assert!(matches!(refusal(404, &code("RESOURCE_DOES_NOT_EXIST")), DoorError::Absent { .. }));
    assert!(matches!(refusal(400, &code("RESOURCE_ALREADY_EXISTS")), DoorError::Conflict { .. }));
    assert!(matches!(refusal(400, &code("INVALID_PARAMETER_VALUE")), DoorError::Invalid { .. }));
    assert!(matches!(refusal(403, "Forbidden"), DoorError::Denied { .. }));
    for (status, body) in [(400, "<html>"), (429, ""), (503, "{"), (500, "")] {
        assert!(refusal(status, body).is_passing(), "{status}");
    }
}
