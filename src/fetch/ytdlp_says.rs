//! What yt-dlp's messages mean. Its words stay in the reason as they are.

use super::{Failure, Retry};
use crate::sample::Class;

use Class::{
    BotWall, Copyright, GeoBlocked, Gone, Missing, Network, NoVideo, NotAVideo, Private,
    RateLimited, SignIn, TooLarge,
};
use Retry::{Later, Never};

/// Parts of messages in lower case with plain apostrophes, the telling ones first: a message that
/// says `video unavailable` often goes on to say why.
const SAYS: &[(&str, Class, Retry)] = &[
    ("not a bot", BotWall, Never),
    ("rate-limited by", RateLimited, Later),
    ("http error 429", RateLimited, Later),
    ("too many requests", RateLimited, Later),
    ("private video", Private, Never),
    ("video is private", Private, Never),
    ("playlist is private", Private, Never),
    ("in your country", GeoBlocked, Never),
    ("from your location", GeoBlocked, Never),
    ("geo restriction", GeoBlocked, Never),
    ("geo-restricted", GeoBlocked, Never),
    ("copyright", Copyright, Never),
    ("confirm your age", SignIn, Never),
    ("age-restricted", SignIn, Never),
    ("members-only", SignIn, Never),
    ("to this channel's members", SignIn, Never),
    ("join this channel", SignIn, Never),
    ("requires payment", SignIn, Never),
    ("login required", SignIn, Never),
    ("log in", SignIn, Never),
    ("sign in", SignIn, Never),
    ("only available for registered users", SignIn, Never),
    ("use --cookies", SignIn, Never),
    ("http error 401", SignIn, Never),
    ("premieres in", Missing, Never),
    ("live event will begin", Missing, Never),
    (
        "account associated with this video has been terminated",
        Gone,
        Never,
    ),
    ("has been removed", Gone, Never),
    ("no longer available", Gone, Never),
    ("does not exist", Gone, Never),
    ("video unavailable", Gone, Never),
    ("video is unavailable", Gone, Never),
    ("video is not available", Gone, Never),
    ("recording is not available", Gone, Never),
    ("incomplete youtube id", Gone, Never),
    ("http error 404", Gone, Never),
    ("http error 410", Gone, Never),
    ("larger than max-filesize", TooLarge, Never),
    ("requested format is not available", NoVideo, Never),
    ("no video formats found", NoVideo, Never),
    ("only images are available", NoVideo, Never),
    ("unsupported url", NotAVideo, Never),
    ("is not a valid url", NotAVideo, Never),
    ("http error 403", Network, Later),
    ("http error 5", Network, Later),
    ("timed out", Network, Later),
    ("connection", Network, Later),
    ("name resolution", Network, Later),
    ("getaddrinfo", Network, Later),
    ("urlopen error", Network, Later),
    ("incompleteread", Network, Later),
    ("unexpected_eof", Network, Later),
    ("bytes read", Network, Later),
];

/// The failure that yt-dlp's output tells of; `ended` well, but without a file.
pub(super) fn failure(said: &str, ended: bool) -> Failure {
    let errors: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("ERROR:"))
        .collect();
    let mut told: Vec<&str> = match errors.is_empty() {
        false => errors,
        true => said
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect(),
    };
    // The cause comes last where there are many.
    let first = told.len().saturating_sub(5);
    let told = told.split_off(first).join(" | ");
    let plain = told.to_lowercase().replace('\u{2019}', "'");
    let found = SAYS.iter().find(|(part, ..)| plain.contains(part));
    let (class, retry) = found.map_or((Network, Never), |(_, class, retry)| (*class, *retry));
    let reason = match (told.is_empty(), ended) {
        (false, _) => told,
        (true, true) => "yt-dlp ended well, but left no file and said nothing".to_owned(),
        (true, false) => "yt-dlp failed and said nothing".to_owned(),
    };
    Failure::new(class, reason, retry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_their_class_and_stay_word_for_word() {
        for (said, class) in [
            ("ERROR: [youtube] x: Video unavailable", Gone),
            (
                "ERROR: [youtube] x: Video unavailable. This video has been removed by the uploader",
                Gone,
            ),
            (
                "ERROR: [youtube] x: Video unavailable. This video is no longer available because the YouTube account associated with this video has been terminated.",
                Gone,
            ),
            (
                "ERROR: [youtube] x: Private video. Sign in if you've been granted access to this video. Use --cookies-from-browser or --cookies for the authentication.",
                Private,
            ),
            (
                "ERROR: [youtube] x: Video unavailable. This video is private",
                Private,
            ),
            (
                "ERROR: [youtube] x: Sign in to confirm you\u{2019}re not a bot. Use --cookies-from-browser or --cookies for the authentication.",
                BotWall,
            ),
            (
                "ERROR: [youtube] x: Sign in to confirm your age. This video may be inappropriate for some users.",
                SignIn,
            ),
            (
                "ERROR: [youtube] x: Join this channel to get access to members-only content like this video, and other exclusive perks.",
                SignIn,
            ),
            (
                "ERROR: [youtube] x: Video unavailable. The uploader has not made this video available in your country",
                GeoBlocked,
            ),
            (
                "ERROR: [youtube] x: Video unavailable. This video contains content from SME, who has blocked it in your country on copyright grounds",
                GeoBlocked,
            ),
            (
                "ERROR: [youtube] x: Video unavailable. This video is no longer available due to a copyright claim by A",
                Copyright,
            ),
            (
                "ERROR: unable to download video data: HTTP Error 429: Too Many Requests",
                RateLimited,
            ),
            (
                "ERROR: [youtube] x: Video unavailable. This content isn't available, try again later. The current session has been rate-limited by YouTube for up to an hour.",
                RateLimited,
            ),
            (
                "ERROR: [generic] Unable to download webpage: HTTP Error 404: Not Found (caused by <HTTPError 404: Not Found>)",
                Gone,
            ),
            (
                "ERROR: unable to download video data: HTTP Error 403: Forbidden",
                Network,
            ),
            (
                "ERROR: [youtube] x: Unable to download API page: <urlopen error [Errno -3] Temporary failure in name resolution>",
                Network,
            ),
            (
                "ERROR: [youtube] x: Requested format is not available. Use --list-formats for a list of available formats",
                NoVideo,
            ),
            ("ERROR: Unsupported URL: http://h/x", NotAVideo),
            (
                "[download] File is larger than max-filesize (9 bytes > 5 bytes). Aborting.",
                TooLarge,
            ),
        ] {
            let failure = failure(&format!("WARNING: nothing\n{said}\n"), false);
            assert_eq!(failure.class, class, "{said}");
            assert!(failure.reason.contains(said), "{}", failure.reason);
        }
    }
}
