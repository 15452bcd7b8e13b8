//! Files that a change may not write or delete, because a program acts on them before or without a
//! review: a person who writes them gets secrets, rights, or a place on developers' machines.
//!
//! `.github/`, git's own files and the policy are refused by `may_touch`, which also keeps models
//! from reading them. These may be read.

/// Where a name counts.
#[derive(Clone, Copy)]
enum At {
    /// A file in the repository's root.
    Root,
    /// A file in any folder.
    Anywhere,
    /// A folder, in any folder, with everything in it.
    Folder,
    /// Everything in the repository's root whose path begins so.
    Begins,
}

const CI: &str = "it tells a CI system what to run, with the repository's secrets";
const RIGHTS: &str = "it decides whose review a change needs";
const GIT: &str = "git runs programs or fetches code because of it";
const HOOK: &str = "it runs on the machines of developers who commit";
const EDITOR: &str = "an editor runs it on the machines of developers who open the repository";
const AGENT: &str = "other agents take instructions from it";
const REGISTRY: &str = "it decides from where, and with which credentials, packages are installed";

/// The files, in lower case, each with the reason.
const PRIVILEGED: [(At, &str, &str); 46] = [
    (At::Begins, ".gitlab-ci", CI),
    (At::Begins, "azure-pipelines", CI),
    (At::Begins, "jenkinsfile", CI),
    (At::Anywhere, ".gitlab-ci.yml", CI),
    (At::Folder, ".gitlab", CI),
    (At::Folder, ".circleci", CI),
    (At::Root, ".travis.yml", CI),
    (At::Anywhere, "azure-pipelines.yml", CI),
    (At::Folder, ".azure-pipelines", CI),
    (At::Anywhere, "jenkinsfile", CI),
    (At::Folder, ".buildkite", CI),
    (At::Anywhere, "buildspec.yml", CI),
    (At::Anywhere, "buildspec.yaml", CI),
    (At::Anywhere, "cloudbuild.yaml", CI),
    (At::Anywhere, "cloudbuild.yml", CI),
    (At::Root, "bitbucket-pipelines.yml", CI),
    (At::Root, ".drone.yml", CI),
    (At::Folder, ".woodpecker", CI),
    (At::Root, ".woodpecker.yml", CI),
    (At::Folder, ".semaphore", CI),
    (At::Root, ".cirrus.yml", CI),
    (At::Root, ".appveyor.yml", CI),
    (At::Root, "appveyor.yml", CI),
    (At::Folder, ".teamcity", CI),
    (At::Folder, ".gitea", CI),
    (At::Folder, ".forgejo", CI),
    (At::Anywhere, "action.yml", CI),
    (At::Anywhere, "action.yaml", CI),
    (At::Anywhere, "codeowners", RIGHTS),
    (At::Anywhere, ".gitmodules", GIT),
    (At::Anywhere, ".gitattributes", GIT),
    (At::Folder, ".husky", HOOK),
    (At::Folder, ".githooks", HOOK),
    (At::Root, ".pre-commit-config.yaml", HOOK),
    (At::Root, "lefthook.yml", HOOK),
    (At::Folder, ".devcontainer", EDITOR),
    (At::Anywhere, ".devcontainer.json", EDITOR),
    (At::Folder, ".vscode", EDITOR),
    (At::Folder, ".idea", EDITOR),
    (At::Anywhere, "agents.md", AGENT),
    (At::Anywhere, "claude.md", AGENT),
    (At::Folder, ".claude", AGENT),
    (At::Folder, ".cursor", AGENT),
    (At::Root, ".cursorrules", AGENT),
    (At::Anywhere, ".npmrc", REGISTRY),
    (At::Anywhere, ".yarnrc.yml", REGISTRY),
];

/// Returns why a change may not touch this path, if it may not.
pub fn privileged(path: &str) -> Option<&'static str> {
    let path = path.to_ascii_lowercase();
    let name = path.rsplit('/').next().unwrap_or_default();
    let found = PRIVILEGED.iter().find(|(at, listed, _)| match at {
        At::Root => path == *listed,
        At::Anywhere => name == *listed,
        At::Folder => path.split('/').any(|part| part == *listed),
        At::Begins => path.starts_with(listed),
    });
    found.map(|(_, _, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_file_is_found_in_any_case() {
        for (at, listed, reason) in PRIVILEGED {
            assert_eq!(listed, listed.to_ascii_lowercase());
            let path = match at {
                At::Root => listed.to_ascii_uppercase(),
                At::Anywhere => format!("deep/in/{listed}"),
                At::Folder => format!("{listed}/x"),
                At::Begins => format!("{listed}-more/x.yml"),
            };
            assert_eq!(privileged(&path), Some(reason), "{path}");
        }
        for path in [
            "src/agents.rs",
            "docs/action.yml.md",
            "vscode/x",
            "sub/.travis.yml",
        ] {
            assert_eq!(privileged(path), None, "{path}");
        }
    }
}
