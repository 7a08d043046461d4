//! The conditional updates: what is written, and when it may be.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::item::{self, OPTIONAL, fields, s, truth_fields};
use super::{Attributes, DynamoTable};
use crate::DoorError;
use crate::log_table::{CENTRE, Key, LogItem, TrueLabel, UNKNOWN};

/// An update under construction. Every name and value goes by a placeholder: many of ours are reserved words there.
pub(super) struct Update {
    key: Attributes,
    set: Vec<String>,
    remove: Vec<String>,
    condition: String,
    names: HashMap<String, String>,
    values: Attributes,
}

impl Update {
    fn new(key: &Key) -> Self {
        Self {
            key: item::key(key),
            set: Vec::new(),
            remove: Vec::new(),
            condition: String::new(),
            names: HashMap::new(),
            values: HashMap::new(),
        }
    }

    fn name(&mut self, name: &str) -> String {
        let placeholder = format!("#{name}");
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    fn value(&mut self, name: &str, value: AttributeValue) -> String {
        let placeholder = format!(":{name}");
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    fn set(&mut self, name: &str, value: AttributeValue) {
        let (name, value) = (self.name(name), self.value(name, value));
        self.set.push(format!("{name} = {value}"));
    }

    fn remove(&mut self, name: &str) {
        let name = self.name(name);
        self.remove.push(name);
    }

    fn set_item(&mut self, item: &LogItem) {
        let fields = fields(item);
        for optional in OPTIONAL {
            if !fields.iter().any(|(name, _)| *name == optional) {
                self.remove(optional);
            }
        }
        for (name, value) in fields {
            self.set(name, value);
        }
    }

    fn set_truth(&mut self, truth: &TrueLabel) {
        let (fields, lacking) = truth_fields(truth);
        for (name, value) in fields {
            self.set(name, value);
        }
        for name in lacking {
            self.remove(name);
        }
    }

    fn expression(&self) -> String {
        let mut expression = format!("SET {}", self.set.join(", "));
        if !self.remove.is_empty() {
            expression += &format!(" REMOVE {}", self.remove.join(", "));
        }
        expression
    }
}

/// The item, where there is none or the same flow in an earlier revision. Its label stays.
pub(super) fn of_item(item: &LogItem) -> Update {
    let mut update = Update::new(&item.key);
    update.set_item(item);
    let (label, unknown) = (update.name("true_label"), update.value("unknown", s(UNKNOWN)));
    update.set.push(format!("{label} = if_not_exists({label}, {unknown})"));
    let flow_id = update.name("flow_id");
    update.condition = format!("attribute_not_exists({flow_id}) OR (#uid = :uid AND #rev < :rev)");
    update
}

/// A sensor's label of an item that is there, unless the centre has spoken or the label there is as new.
pub(super) fn of_label(key: &Key, uid: &str, truth: &TrueLabel) -> Update {
    let mut update = Update::new(key);
    update.set_truth(truth);
    let (labeled_sensor, sensor_id) = (update.name("labeled_sensor"), update.name("sensor_id"));
    update.set.push(format!("{labeled_sensor} = {sensor_id}"));
    let (own, uid) = (update.name("uid"), update.value("uid", s(uid)));
    let centre = update.value("centre", s(CENTRE));
    update.condition = format!(
        "{own} = {uid} AND (attribute_not_exists(#label_source) \
         OR (#label_source <> {centre} AND #labeled_at < :labeled_at))"
    );
    update
}

/// A labelled item, where there is none.
pub(super) fn of_labelled_item(item: &LogItem, truth: &TrueLabel) -> Update {
    let mut update = Update::new(&item.key);
    update.set_item(item);
    update.set_truth(truth);
    update.set("labeled_sensor", s(&item.sensor_id));
    let flow_id = update.name("flow_id");
    update.condition = format!("attribute_not_exists({flow_id})");
    update
}

/// The centre's label of an item that is there. Items of the earlier system have no sensor to send it to.
pub(super) fn of_central_label(key: &Key, sensor_id: &str, truth: &TrueLabel) -> Update {
    let mut update = Update::new(key);
    update.set_truth(truth);
    if !sensor_id.is_empty() {
        update.set("labeled_sensor", s(sensor_id));
    }
    let flow_id = update.name("flow_id");
    update.condition = format!("attribute_exists({flow_id})");
    update
}

impl DynamoTable {
    /// Sends an update. The inner error is the condition's: what is there instead, where the server says it.
    pub(super) async fn send(&self, update: Update) -> Result<Result<(), Option<Attributes>>, DoorError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .update_expression(update.expression())
            .set_key(Some(update.key))
            .condition_expression(update.condition)
            .set_expression_attribute_names(Some(update.names))
            .set_expression_attribute_values(Some(update.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = request.send().await else { return Ok(Ok(())) };
        let failed = error.as_service_error().filter(|error| error.is_conditional_check_failed_exception());
        if failed.is_none() {
            return Err(self.error("the item", &error));
        }
        use aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException as Failed;
        match error.into_service_error() {
            Failed(failed) => Ok(Err(failed.item.filter(|item| !item.is_empty()))),
            _ => Ok(Err(None)),
        }
    }
}
