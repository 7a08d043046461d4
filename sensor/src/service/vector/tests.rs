//! Vectors as clients write them: every generation's names, and every way to be wrong.

use model::schema::FEATURES;
use serde_json::{Map, Value, json};

use super::{OTHER_NAMES, Written, feature_named, quote_what_is_no_number};

fn by_name(names: &[String]) -> Map<String, Value> {
    names.iter().enumerate().map(|(index, name)| (name.clone(), json!(index as f64 + 0.5))).collect()
}

#[test]
fn every_generation_of_names_gives_the_same_vector() {
    let expected: Vec<f64> = (0..20).map(|index| f64::from(index) + 0.5).collect();
    let own = |f: &dyn Fn(usize) -> String| (0..20).map(f).collect::<Vec<String>>();
    for names in [
        own(&|i| FEATURES[i].to_owned()),
        own(&|i| format!(" {}", FEATURES[i])),
        own(&|i| OTHER_NAMES[i].0.to_owned()),
        own(&|i| OTHER_NAMES[i].1.to_owned()),
        own(&|i| OTHER_NAMES[i].0.to_lowercase().replace([' ', '/'], "_")),
    ] {
        let vector = Written::ByName(by_name(&names)).vector().unwrap();
        assert_eq!(vector.to_vec(), expected, "{names:?}");
    }
    assert_eq!(feature_named("Destination Port"), None);
}

#[test]
fn what_is_wrong_is_named() {
    let names: Vec<String> = FEATURES.iter().map(|f| (*f).to_owned()).collect();
    let refusal = |change: &dyn Fn(&mut Map<String, Value>)| {
        let mut map = by_name(&names);
        change(&mut map);
        Written::ByName(map).vector().unwrap_err().message
    };
    let message = refusal(&|m| drop(m.remove("Flow IAT Max")));
    assert!(message.contains("missing: `Flow IAT Max`"), "{message}");
    let message = refusal(&|m| drop(m.insert("Dst Port".into(), json!(80))));
    assert!(message.contains("unknown: `Dst Port`"), "{message}");
    let message = refusal(&|m| drop(m.insert("Tot Fwd Pkts".into(), json!(1))));
    assert!(message.contains("there twice: `Total Fwd Packets`"), "{message}");
    for value in [json!(null), json!("NaN"), json!([1]), json!(true)] {
        let message = refusal(&|m| drop(m.insert("Bwd IAT Mean".into(), value.clone())));
        assert!(message.contains("`Bwd IAT Mean` is"), "{message}");
    }
    let message = Written::List(vec![json!(1); 19]).vector().unwrap_err().message;
    assert!(message.contains("has 19 values"), "{message}");
    let mut list = vec![json!(1); 20];
    list[12] = json!("Infinity");
    let message = Written::List(list).vector().unwrap_err().message;
    assert!(message.contains("`Flow Bytes/s` is \"Infinity\""), "{message}");
}

#[test]
fn bare_words_that_are_no_numbers_are_quoted_outside_of_strings_only() {
    let quoted = quote_what_is_no_number(r#"{"NaN \" NaN": [NaN, -Infinity, 1e999, 1.5, true]}"#).unwrap();
    assert_eq!(quoted, r#"{"NaN \" NaN": ["NaN", "-Infinity", "1e999", 1.5, true]}"#);
    assert_eq!(quote_what_is_no_number(r#"{"a": [1, 2.5e3, null, "Infinity"]}"#), None);
    assert_eq!(quote_what_is_no_number("\"unfinished \\"), None);
}
