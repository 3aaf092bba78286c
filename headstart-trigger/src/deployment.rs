//! Which deployment of the agent a new run belongs to, when the handler does not say: what the client was
//! given, else what the environment says.

use headstart_core::wire::Deployment;

const ID: &str = "TRIGGER_EXTERNAL_DEPLOYMENT_ID";
/// Switches the search of [`COMMITS`] on.
const SEARCH: &str = "TRIGGER_AUTOMATIC_SKEW_VERSION_PROTECTION";
const MAX_CHARACTERS: usize = 128;

/// Where hosts and build servers say which commit they run, in the order in which they are believed.
const COMMITS: [&str; 24] = [
    "VERCEL_GIT_COMMIT_SHA",
    "RAILWAY_GIT_COMMIT_SHA",
    "RENDER_GIT_COMMIT",
    "CF_PAGES_COMMIT_SHA",
    "WORKERS_CI_COMMIT_SHA",
    "COMMIT_REF",
    "AWS_COMMIT_ID",
    "HEROKU_BUILD_COMMIT",
    "HEROKU_SLUG_COMMIT",
    "KOYEB_GIT_SHA",
    "GITHUB_SHA",
    "CI_COMMIT_SHA",
    "CIRCLE_SHA1",
    "BITBUCKET_COMMIT",
    "BUILDKITE_COMMIT",
    "BUILD_SOURCEVERSION",
    "COMMIT_SHA",
    "DRONE_COMMIT_SHA",
    "GIT_COMMIT",
    "BUILD_VCS_NUMBER",
    "TRAVIS_COMMIT",
    "COMMIT_HASH",
    "GIT_SHA",
    "GIT_HASH",
];

/// The deployment that a client stands for.
pub(crate) fn discover(given: Option<&str>, var: impl Fn(&str) -> Option<String>) -> Option<String> {
    if let Some(id) = given.and_then(usable) {
        return Some(id);
    }
    if let Some(id) = var(ID).as_deref().and_then(usable) {
        return Some(id);
    }
    let is_on = var(SEARCH).is_some_and(|text| {
        let text = text.trim();
        text == "1" || text.eq_ignore_ascii_case("true")
    });
    if !is_on {
        return None;
    }
    COMMITS
        .iter()
        .find_map(|name| var(name).filter(|text| !text.trim().is_empty()))
        .as_deref()
        .and_then(usable)
}

/// What is sent for this handler: its own choice, else the client's.
pub(crate) fn settle(chosen: Deployment, client: Option<&str>) -> Deployment {
    let own = match &chosen {
        Deployment::Any => return Deployment::Any,
        Deployment::Id(id) => usable(id),
        Deployment::Discovered => None,
    };
    own.or_else(|| client.map(str::to_owned)).map_or(Deployment::Any, Deployment::Id)
}

/// An id that the platform takes; any other counts as none.
fn usable(id: &str) -> Option<String> {
    let id = id.trim();
    (1..=MAX_CHARACTERS).contains(&id.encode_utf16().count()).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(given: Option<&str>, vars: &[(&str, &str)]) -> Option<String> {
        discover(given, |name| {
            vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_client_comes_before_the_environment_and_an_unusable_id_is_none() {
        let vars = [(ID, " from-env ")];
        assert_eq!(found(Some(" mine "), &vars).as_deref(), Some("mine"));
        assert_eq!(found(None, &vars).as_deref(), Some("from-env"));
        assert_eq!(found(Some(""), &vars).as_deref(), Some("from-env"));
        assert_eq!(found(Some(&"x".repeat(129)), &vars).as_deref(), Some("from-env"));
        assert_eq!(found(None, &[]), None);
    }

    #[test]
    fn commits_count_only_when_asked_for_and_the_first_one_wins() {
        let commits =
            [("GITHUB_SHA", "second"), ("RENDER_GIT_COMMIT", "first"), ("VERCEL_GIT_COMMIT_SHA", " ")];
        assert_eq!(found(None, &commits), None);
        for (switch, on) in [("1", true), (" TRUE ", true), ("0", false), ("yes", false)] {
            let vars = [&commits[..], &[(SEARCH, switch)]].concat();
            assert_eq!(found(None, &vars).as_deref(), on.then_some("first"), "{switch}");
        }
    }

    #[test]
    fn a_handlers_own_choice_comes_first() {
        let client = Some("client");
        let id = |id: &str| Deployment::Id(id.to_owned());
        assert_eq!(settle(Deployment::Discovered, client), id("client"));
        assert_eq!(settle(Deployment::Discovered, None), Deployment::Any);
        assert_eq!(settle(id(" own "), client), id("own"));
        assert_eq!(settle(id(" "), client), id("client"));
        assert_eq!(settle(Deployment::Any, client), Deployment::Any);
    }
}
