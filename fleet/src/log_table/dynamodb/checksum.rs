//! DynamoDB says the CRC32 of each answer's body in `x-amz-crc32`; the SDK does not look at it, and a byte changed on the way would
//! make a label another label, or a throttled request a missing table.

use aws_sdk_dynamodb::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;

/// Refuses answers that are not what the server sent.
#[derive(Debug)]
pub(super) struct CheckAnswers;

impl Intercept for CheckAnswers {
    fn name(&self) -> &'static str {
        "CheckAnswers"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answer = context.response();
        let said = answer.headers().get("x-amz-crc32").and_then(|text| text.parse().ok());
        match answer.body().bytes() {
            Some(body) => check(body, said).map_err(BoxError::from),
            None => Ok(()),
        }
    }
}

/// Servers that are not AWS's own may leave the sum out.
fn check(body: &[u8], said: Option<u32>) -> Result<(), String> {
    let found = crc32fast::hash(body);
    match said {
        Some(said) if said != found => {
            Err(format!("the answer was damaged on its way: its CRC32 is {found}, the server said {said}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn an_answer_is_what_its_sum_says() {
        // Python: binascii.crc32(b"{}")
        assert_eq!(check(b"{}", Some(2_745_614_147)), Ok(()));
        assert_eq!(check(b"{}", None), Ok(()));
        assert!(check(b"{ ", Some(2_745_614_147)).unwrap_err().contains("damaged"));
    }
}
