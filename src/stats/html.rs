//! One page that needs nothing else: no network, no script, pictures inside.

use std::fmt::Write as _;

use super::{Means, States, Stats, Thumb, svg};

/// Most failures that the page names; the JSON has all.
const FAILURES: usize = 1000;

const STYLE: &str = "\
:root{--ink:#1d2430;--dim:#667085;--line:#e4e7ec;--paper:#fff;--card:#f8f9fb;--bar:#3b6fd4;--bad:#e2a04a}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--dim:#98a2b3;--line:#333b48;--paper:#14181f;--card:#1c222c;--bar:#6d9af0;--bad:#d9a25c}}\
*{box-sizing:border-box}body{margin:0 auto;max-width:1180px;padding:28px 24px 60px;background:var(--paper);color:var(--ink);font:15px/1.45 system-ui,sans-serif}\
h1{font-size:24px;margin:0}h2{font-size:17px;margin:34px 0 10px}h3{font-size:14px;margin:0 0 8px;color:var(--dim);font-weight:600}\
p{margin:4px 0;color:var(--dim)}.tiles{display:flex;flex-wrap:wrap;gap:10px;margin-top:18px}\
.tile{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 16px;min-width:104px}\
.tile b{display:block;font-size:21px}.tile span{color:var(--dim);font-size:13px}\
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:16px}\
.plot{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:14px}\
svg{width:100%;height:auto;display:block}svg text{font-size:12px;fill:var(--dim);font-family:system-ui,sans-serif}\
.plot svg{max-width:720px}.plot .wide{max-width:none;max-height:260px}.k{white-space:nowrap}i{display:inline-block;width:11px;height:11px;border-radius:2px;margin:0 5px 0 14px;background:var(--bar)}i.b{background:var(--bad)}.grid{stroke:var(--line)}.bar{fill:var(--bar)}.bad{fill:var(--bad)}\
.sheet{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:12px}\
figure{margin:0;font-size:13px}figure img,.none{width:100%;height:96px;object-fit:cover;border-radius:6px;display:block;background:var(--line)}\
.none{display:flex;align-items:center;justify-content:center;color:var(--dim)}\
figcaption{margin-top:3px;overflow-wrap:anywhere}figcaption span{color:var(--dim)}\
.scroll{overflow:auto;max-height:560px;border:1px solid var(--line);border-radius:8px}\
table{border-collapse:collapse;width:100%;font-size:14px}th,td{text-align:left;padding:5px 10px;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}\
th{color:var(--dim);font-weight:600;position:sticky;top:0;background:var(--card);overflow-wrap:normal}td.n,th.n{text-align:right;white-space:nowrap}";

/// The page.
pub fn page(stats: &Stats, thumbs: &[Thumb]) -> String {
    let title = stats.inputs.join(", ");
    let mut page = format!(
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\"><title>{0}: kpack stats</title>\
         <style>{STYLE}</style></head>\n<body><h1>{0}</h1>\n",
        escape(&title)
    );
    tiles(stats, &mut page);
    for note in &stats.notes {
        let _ = writeln!(page, "<p>{}</p>", escape(note));
    }
    splits(stats, &mut page);
    plots(stats, &mut page);
    classes(stats, thumbs, &mut page);
    overlaps(stats, &mut page);
    failures(stats, &mut page);
    let version = env!("CARGO_PKG_VERSION");
    let _ = writeln!(page, "<p>kpack {version}</p></body></html>");
    page
}

fn tiles(stats: &Stats, page: &mut String) {
    let total = stats.total;
    let hours = match stats.seconds {
        s if s < 600.0 => (format!("{s:.1}"), "seconds"),
        s if s < 36_000.0 => (format!("{:.1}", s / 60.0), "minutes"),
        s => (format!("{:.1}", s / 3600.0), "hours"),
    };
    let named = stats.classes.keys().filter(|name| !name.is_empty()).count();
    page.push_str("<div class=tiles>");
    for (value, name) in [
        (total.clips.to_string(), "clips"),
        (total.found.to_string(), "found whole"),
        (total.missing.to_string(), "missing"),
        (total.short.to_string(), "short"),
        (total.corrupt.to_string(), "corrupt"),
        (total.skipped.to_string(), "skipped"),
        (named.to_string(), "classes"),
        hours,
        (format!("{:.1}", stats.bytes as f64 / 1e6), "MB"),
    ] {
        let _ = write!(
            page,
            "<div class=tile><b>{value}</b><span>{name}</span></div>"
        );
    }
    page.push_str("</div>\n");
}

const STATES: &str = "<th class=n>clips<th class=n>found<th class=n>missing<th class=n>short\
                      <th class=n>corrupt<th class=n>skipped";

fn splits(stats: &Stats, page: &mut String) {
    let _ = write!(
        page,
        "<h2>Splits</h2><div class=scroll><table><tr><th>split{STATES}"
    );
    for (name, states) in &stats.splits {
        let name = if name.is_empty() { "none" } else { name };
        row(name, states, page);
    }
    page.push_str("</table></div>\n");
}

fn row(name: &str, states: &States, page: &mut String) {
    let States {
        clips,
        found,
        missing,
        short,
        corrupt,
        skipped,
    } = states;
    let _ = write!(page, "<tr><td>{}", escape(name));
    for count in [clips, found, missing, short, corrupt, skipped] {
        let _ = write!(page, "<td class=n>{count}");
    }
}

fn plots(stats: &Stats, page: &mut String) {
    page.push_str("<h2>Media</h2><div class=plots>");
    let plot = |title: &str, svg: String, page: &mut String| {
        let _ = write!(page, "<div class=plot><h3>{title}</h3>{svg}</div>");
    };
    if stats.duration.known > 0 {
        let d = &stats.duration;
        let title = format!(
            "Duration: {:.2} to {:.2} s, median {:.2}, mean {:.2}",
            d.min, d.max, d.median, d.mean
        );
        plot(&title, svg::histogram(d, "s"), page);
    }
    for (title, bars) in [
        ("Frames per second", &stats.fps),
        ("Size in pixels", &stats.size),
        ("Video codec", &stats.video_codec),
        ("Sound codec", &stats.audio_codec),
    ] {
        if !bars.is_empty() {
            plot(title, svg::bars(bars), page);
        }
    }
    if let Some(means) = &stats.channels {
        plot("Colours", channels(means), page);
    }
    page.push_str("</div>\n");
}

fn channels(means: &Means) -> String {
    let mut table = "<table><tr><th>channel<th class=n>mean<th class=n>std".to_owned();
    for (name, (mean, std)) in ["red", "green", "blue"]
        .iter()
        .zip(means.mean.iter().zip(means.std))
    {
        let _ = write!(
            table,
            "<tr><td>{name}<td class=n>{mean:.4}<td class=n>{std:.4}"
        );
    }
    let (frames, clips) = (means.frames, means.clips);
    let _ = write!(
        table,
        "</table><p>0 to 1, of {frames} frames of {clips} clips</p>"
    );
    table
}

fn classes(stats: &Stats, thumbs: &[Thumb], page: &mut String) {
    let classes: Vec<(&str, States)> = stats
        .classes
        .iter()
        .map(|(name, states)| (name.as_str(), *states))
        .collect();
    let _ = write!(
        page,
        "<h2>Classes</h2><div class=plot><h3>Clips of each class, the largest first\
         <i></i>found whole<i class=b></i>not</h3>{}</div>",
        svg::classes(&classes)
    );
    page.push_str("<h2>Contact sheet</h2><div class=sheet>");
    for thumb in thumbs {
        let name = match thumb.class.as_str() {
            "" => "no class",
            name => name,
        };
        let states = stats.classes.get(&thumb.class).copied().unwrap_or_default();
        let picture = match thumb.jpeg.is_empty() {
            true => "<div class=none>no picture</div>".to_owned(),
            false => format!(
                "<img alt=\"{}\" title=\"{}\" src=\"data:image/jpeg;base64,{}\">",
                escape(name),
                escape(&thumb.key),
                base64(&thumb.jpeg)
            ),
        };
        let _ = writeln!(
            page,
            "<figure>{picture}<figcaption>{}<br><span>{} of {} found</span></figcaption></figure>",
            escape(name),
            states.found,
            states.clips
        );
    }
    page.push_str("</div>\n<h2>Counts</h2><div class=scroll><table><tr><th>class");
    page.push_str(STATES);
    for (name, states) in &classes {
        let name = if name.is_empty() { "no class" } else { name };
        row(name, states, page);
    }
    page.push_str("</table></div>\n");
}

fn overlaps(stats: &Stats, page: &mut String) {
    if stats.overlaps.is_empty() {
        return;
    }
    page.push_str(
        "<h2>Shared by splits and versions</h2><div class=scroll><table><tr><th>one<th>other\
         <th class=n>videos<th class=n>clips<th>such as",
    );
    for overlap in &stats.overlaps {
        let name = |group: &super::overlap::Group| match group.split.as_str() {
            "" => escape(&group.input),
            split => format!("{} {}", escape(&group.input), escape(split)),
        };
        let _ = write!(
            page,
            "<tr><td>{}<td>{}<td class=n>{}<td class=n>{}<td>{}",
            name(&overlap.one),
            name(&overlap.two),
            overlap.videos,
            overlap.clips,
            escape(&overlap.examples.join(", "))
        );
    }
    page.push_str("</table></div>\n");
}

fn failures(stats: &Stats, page: &mut String) {
    page.push_str("<h2>Failures</h2>");
    if stats.failures.is_empty() {
        page.push_str("<p>None: every clip is found whole.</p>");
        return;
    }
    let kinds = stats.failures_by_class.iter();
    let mut kinds: Vec<super::Bar> = kinds
        .map(|(class, clips)| super::Bar {
            value: class.clone(),
            clips: *clips,
        })
        .collect();
    kinds.sort_by_key(|bar| std::cmp::Reverse(bar.clips));
    let _ = write!(
        page,
        "<div class=plot>{}</div><br><div class=scroll><table>\
         <tr><th>clip<th>split<th>state<th>class<th>reason",
        svg::bars(&kinds)
    );
    for failure in stats.failures.iter().take(FAILURES) {
        let state = serde_json::to_value(failure.state).unwrap_or_default();
        let _ = write!(
            page,
            "<tr><td>{}<td class=k>{}<td class=k>{}<td class=k>{}<td>{}",
            escape(&failure.key),
            escape(failure.split.as_deref().unwrap_or_default()),
            state.as_str().unwrap_or_default(),
            failure.class.map_or("", |class| class.as_str()),
            escape(&failure.reason)
        );
    }
    page.push_str("</table></div>");
    if let more @ 1.. = stats.failures.len().saturating_sub(FAILURES) {
        let _ = write!(page, "<p>and {more} more: kpack stats --json names all</p>");
    }
}

/// Text that is no markup.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Base64 (RFC 4648) with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for some in bytes.chunks(3) {
        let byte = |i: usize| u32::from(some.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let digit = DIGITS.get((bits >> (18 - 6 * i) & 63) as usize);
            out.push(match digit {
                Some(digit) if i <= some.len() => char::from(*digit),
                _ => '=',
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_the_published_values() {
        for (text, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), coded);
        }
    }

    #[test]
    fn names_are_no_markup() {
        let mut stats = Stats {
            inputs: vec!["<script>alert(1)</script>".to_owned()],
            ..Stats::default()
        };
        stats
            .classes
            .insert("a\"><b>&'".to_owned(), States::default());
        let thumb = Thumb {
            class: "a\"><b>&'".to_owned(),
            key: "k".to_owned(),
            jpeg: vec![1],
        };
        let page = page(&stats, &[thumb]);
        assert!(!page.contains("<script") && !page.contains("<b>&'"));
        // Nothing is loaded from anywhere.
        for outside in ["http:", "https:", "url(", "@import", "<link", "<script"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
