//! Plots as inline SVG. All lengths are in pixels.

use std::fmt::Write as _;

use super::html::escape;
use super::{Bar, Histogram, States};

/// Width of a plot.
const WIDTH: f64 = 560.0;
/// Height of a plot of columns, without its labels.
const HEIGHT: f64 = 180.0;
/// Most bars of a plot; the others are one.
const BARS: usize = 12;

/// Columns of a histogram over an axis in `unit`.
pub(super) fn histogram(histogram: &Histogram, unit: &str) -> String {
    let most = histogram.counts.iter().max().copied().unwrap_or(0).max(1) as f64;
    let count = histogram.counts.len().max(1) as f64;
    let (left, bottom) = (44.0, HEIGHT + 10.0);
    let step = (WIDTH - left) / count;
    let mut svg = open(HEIGHT + 44.0);
    let parts: &[f64] = if most < 2.0 {
        &[0.0, 1.0]
    } else {
        &[0.0, 0.5, 1.0]
    };
    for part in parts {
        let y = bottom - HEIGHT * part;
        let value = (most * part).round();
        let _ = write!(
            svg,
            "<line class=grid x1={left} x2={WIDTH} y1={y:.1} y2={y:.1} />\
             <text x={:.1} y={:.1} text-anchor=end>{value}</text>",
            left - 6.0,
            y + 4.0
        );
    }
    // At most eight labels, so that they do not meet.
    let every = (histogram.counts.len() / 8 + 1).max(1);
    for (i, clips) in histogram.counts.iter().enumerate() {
        let (x, height) = (left + step * i as f64, HEIGHT * *clips as f64 / most);
        let from = histogram.from + histogram.step * i as f64;
        let to = from + histogram.step;
        let _ = write!(
            svg,
            "<rect class=bar x={:.1} y={:.1} width={:.1} height={height:.1}>\
             <title>{} to {} {unit}: {clips}</title></rect>",
            x + 1.0,
            bottom - height,
            (step - 2.0).clamp(0.5, 60.0),
            number(from),
            number(to)
        );
        if i % every == 0 {
            let text = number(from);
            let _ = write!(
                svg,
                "<text x={:.1} y={:.1}>{text}</text>",
                x + 1.0,
                bottom + 16.0
            );
        }
    }
    let _ = write!(
        svg,
        "<text x={WIDTH} y={:.1} text-anchor=end>{unit}</text></svg>",
        bottom + 32.0
    );
    svg
}

/// A number without needless digits.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Bars with their values' names, the most frequent first.
pub(super) fn bars(list: &[Bar]) -> String {
    let mut shown: Vec<(String, u64)> = list
        .iter()
        .take(BARS)
        .map(|bar| (bar.value.clone(), bar.clips))
        .collect();
    let rest: u64 = list.iter().skip(BARS).map(|bar| bar.clips).sum();
    if rest > 0 {
        let values = list.len() - BARS;
        shown.push((format!("{values} others"), rest));
    }
    let most = shown.iter().map(|bar| bar.1).max().unwrap_or(0).max(1) as f64;
    let (left, row) = (120.0, 22.0);
    let mut svg = open(row * shown.len() as f64 + 4.0);
    for (i, (name, clips)) in shown.iter().enumerate() {
        let y = row * i as f64 + 2.0;
        let width = (WIDTH - left - 70.0) * *clips as f64 / most;
        let _ = write!(
            svg,
            "<text x={:.1} y={:.1} text-anchor=end>{}</text>\
             <rect class=bar x={left} y={y:.1} width={width:.1} height={:.1} />\
             <text x={:.1} y={:.1}>{clips}</text>",
            left - 8.0,
            y + 14.0,
            escape(name),
            row - 5.0,
            left + width + 6.0,
            y + 14.0
        );
    }
    svg.push_str("</svg>");
    svg
}

/// A column for each class, the largest first: what is found, and on top of it what is not.
pub(super) fn classes(classes: &[(&str, States)]) -> String {
    let mut sorted: Vec<&(&str, States)> = classes.iter().collect();
    sorted.sort_by_key(|class| std::cmp::Reverse(class.1.clips));
    let most = sorted.first().map_or(1, |class| class.1.clips).max(1) as f64;
    let (left, top, width) = (44.0, 10.0, WIDTH * 2.0);
    let step = (width - left) / sorted.len().max(1) as f64;
    let bottom = HEIGHT + top;
    let mut svg = format!(
        "<svg class=wide viewBox=\"0 0 {width} {:.1}\" role=img>\
         <text x={:.1} y={:.1} text-anchor=end>{most}</text>\
         <text x={:.1} y={bottom} text-anchor=end>0</text>\
         <line class=grid x1={left} x2={width} y1={bottom} y2={bottom} />",
        bottom + 20.0,
        left - 6.0,
        top + 8.0,
        left - 6.0
    );
    for (i, (name, states)) in sorted.iter().enumerate() {
        let x = left + step * i as f64;
        let wide = (step * 0.85).clamp(0.3, 48.0);
        let good = HEIGHT * states.found as f64 / most;
        let all = HEIGHT * states.clips as f64 / most;
        let name = if name.is_empty() { "no class" } else { name };
        let _ = write!(
            svg,
            "<g><title>{}: {} of {} found</title>\
             <rect class=bad x={x:.2} y={:.1} width={wide:.2} height={:.1} />\
             <rect class=bar x={x:.2} y={:.1} width={wide:.2} height={good:.1} /></g>",
            escape(name),
            states.found,
            states.clips,
            bottom - all,
            all - good,
            bottom - good
        );
        // Where names have room.
        let room = (step / 7.5) as usize;
        if room >= 8 {
            let mut shown: String = name.chars().take(room).collect();
            if shown.len() < name.len() {
                shown.pop();
                shown.push('\u{2026}');
            }
            let _ = write!(
                svg,
                "<text x={x:.2} y={:.1}>{}</text>",
                bottom + 16.0,
                escape(&shown)
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

fn open(height: f64) -> String {
    format!("<svg viewBox=\"0 0 {WIDTH} {height:.1}\" role=img>")
}
