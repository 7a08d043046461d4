//! irithyll-core's adaptive random forest (of its Hoeffding classifiers, majority leaves) on a stream: CPU time of learning
//! and judging. Its trees each keep one feature subset and learn a sample k times where others weigh it by k.

use irithyll_core::ensemble::adaptive_forest::{ARFConfig, AdaptiveRandomForest};
use irithyll_core::tree::hoeffding_classifier::{HoeffdingClassifierConfig, HoeffdingTreeClassifier};
use std::error::Error;
use std::hint::black_box;

type Row = (Vec<f64>, f64);

fn read(file: &str, most: usize) -> Result<Vec<Row>, Box<dyn Error>> {
    std::fs::read_to_string(file)?
        .lines()
        .skip(1)
        .take(most)
        .map(|line| {
            let mut values = line.split(',').map(str::parse).collect::<Result<Vec<f64>, _>>()?;
            let class = values.pop().ok_or("an empty line")?;
            Ok((values, class))
        })
        .collect()
}

/// Nanoseconds of CPU that this thread has had, as the kernel's scheduler counts them.
fn cpu_ns() -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split(' ').next().ok_or("an empty schedstat")?.parse()?)
}

fn forest(setting: &str) -> Result<AdaptiveRandomForest, Box<dyn Error>> {
    let (trees, lambda, drift_delta, depth) =
        if setting == "10 trees" { (10, 6.0, 0.001, 64) } else { (13, 7.0, 0.00025, 10) };
    let config = ARFConfig::builder(trees).lambda(lambda).drift_delta(drift_delta).seed(1).build()?;
    let tree = HoeffdingClassifierConfig::builder().max_depth(depth).delta(0.01).grace_period(50).build()?;
    Ok(AdaptiveRandomForest::new(config, move || Box::new(HoeffdingTreeClassifier::new(tree.clone()))))
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [setting, file, most] = arguments.as_slice() else { return Err("SETTING FILE ROWS".into()) };
    let rows = read(file, most.parse()?)?;
    let mut model = forest(setting)?;
    let mut right = 0;
    for (x, class) in &rows {
        right += usize::from(model.predict(x).round() == *class);
        model.train_one(x, *class);
    }
    let started = cpu_ns()?;
    let mut model = forest(setting)?;
    for (x, class) in &rows {
        model.train_one(x, *class);
    }
    let learn = (cpu_ns()? - started) / 1e3 / rows.len() as f64;
    let mut predict = f64::INFINITY;
    for _ in 0..3 {
        let started = cpu_ns()?;
        for (x, _) in &rows {
            black_box(model.predict(x));
        }
        predict = predict.min((cpu_ns()? - started) / 1e3 / rows.len() as f64);
    }
    let accuracy = 100.0 * right as f64 / rows.len() as f64;
    println!("{{\"accuracy %\":{accuracy},\"learn\":{learn},\"predict\":{predict}}}");
    Ok(())
}
