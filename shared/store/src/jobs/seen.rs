//! What was seen of each repository, for the list of its account.
//!
//! The row is read, the domain decides what is new, and the write is conditional on the version that
//! was read. Most looks show nothing new and write nothing. A lost answer costs another look.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, texts, time};
use crate::db::keys;
use crate::db::pages::{self, Cursor, Page, Placed};
use crate::db::table::Updated;
use crate::db::tx::Change;
use crate::jobs::rows::{wish_attributes, wishes_of};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::ids::{InstallationId, JobId, OwnerId, RepositoryId};
use domain::inbox::events::Visibility;
use domain::jobs::JobRow;
use domain::jobs::caps::Caps;
use domain::jobs::permissions::Role;
use domain::jobs::repositories::RepositoryName;
use domain::jobs::seen::{Membership, PolicyFound, PolicySeen, SeenRepository, Sighting};
use domain::jobs::triggers::Policy;
use domain::switches::Switch;
use domain::units::Credits;
use futures::future::try_join_all;

const NOTE: &str = "note a repository";
const READ: &str = "read a repository";
const LIST: &str = "list repositories";
const TRIES_MAX: usize = 5;
/// How many repositories are noted at once.
const AT_ONCE: usize = 10;

/// Whether a look at a repository was worth a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepositoryNoted {
    Now,
    /// It showed nothing new.
    Known,
}

impl Store {
    /// Records what a look at a repository shows, if it is new.
    pub async fn repository_note(&self, look: &Sighting) -> Result<RepositoryNoted, StoreError> {
        for _ in 0..TRIES_MAX {
            let found = self.table.get(READ, &keys::repository(look.id)).await?;
            let old = found.as_ref().map(seen_of).transpose()?;
            let Some(new) = SeenRepository::after(old.as_ref(), look) else {
                return Ok(RepositoryNoted::Known);
            };
            match self.table.update(NOTE, change(&new)).await? {
                Updated::Done(()) => return Ok(RepositoryNoted::Now),
                // Another look was faster, and what is new is decided again.
                Updated::Refused(_) => {}
            }
        }
        Err(StoreError::contended(NOTE))
    }

    /// Records what looks at several repositories show, a few at a time.
    pub async fn repositories_note(&self, looks: &[Sighting]) -> Result<(), StoreError> {
        for some in looks.chunks(AT_ONCE) {
            try_join_all(some.iter().map(|look| self.repository_note(look))).await?;
        }
        Ok(())
    }

    /// Records a repository's newest job. Ids of jobs grow with time.
    pub async fn repository_job_note(
        &self,
        repository: RepositoryId,
        job: &JobId,
    ) -> Result<(), StoreError> {
        let change = Change::of(keys::repository(repository))
            .set("last_job", text(job.as_str()))
            .when(
                "attribute_exists(pk) AND (attribute_not_exists(#last_job) OR #last_job < :last_job)",
                vec![],
            );
        self.table
            .update("note a repository's job", change)
            .await
            .map(drop)
    }

    /// Reads the newest job of each of these repositories that has one.
    pub async fn jobs_of(
        &self,
        repositories: &[SeenRepository],
    ) -> Result<Vec<JobRow>, StoreError> {
        let ids = repositories
            .iter()
            .filter_map(|seen| seen.last_job.as_ref());
        let found = try_join_all(ids.map(|id| self.job_find(id))).await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Lists the repositories of these owners, the last that was first seen first. A new one can take
    /// a moment to appear.
    pub async fn repository_list(
        &self,
        owners: &[OwnerId],
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<SeenRepository>, StoreError> {
        let lists = owners.iter().map(|owner| {
            let query = self.table.query().index_name("timeline");
            let query = pages::of(query, &keys::repositories_of(*owner));
            pages::newest(LIST, query, (from, limit), |attributes| {
                let item = Item::new(attributes, LIST);
                let id = keys::repository_of(item.text("pk")?).ok_or_else(|| item.bad("pk"))?;
                Ok(Some(Placed::new(item.time("at")?, id.to_string(), id)))
            })
        });
        let found = try_join_all(lists).await?;
        let Page { rows, next } = pages::page(found.into_iter().flatten().collect(), limit);
        let read = rows.into_iter().map(|id| async move {
            let found = self.table.get(LIST, &keys::repository(id)).await?;
            found.as_ref().map(seen_of).transpose()
        });
        let rows = try_join_all(read).await?.into_iter().flatten();
        // The row decides: the index may still name the previous owner.
        let rows = rows.filter(|row| owners.contains(&row.owner)).collect();
        Ok(Page { rows, next })
    }
}

fn change(new: &SeenRepository) -> Change {
    let (as_of, received_at) = new.decided;
    let before = new.version;
    let mut change = Change::of(keys::repository(new.id))
        // `owner` and `at` are the keys of index `timeline`.
        .set("owner", text(keys::repositories_of(new.owner)))
        .set("at", time(new.first_seen_at))
        .set("owner_id", number(new.owner))
        .set("installation", number(new.installation))
        .set("name", text(new.name.to_string()))
        .set("named_at", time(new.named_at))
        .set("membership", text(new.membership.as_str()))
        .set("as_of", time(as_of))
        .set("received_at", time(received_at))
        .set("version", number(before.saturating_add(1)))
        .set_or_remove(
            "private",
            (new.visibility == Visibility::Private).then_some(AttributeValue::Bool(true)),
        );
    let mut policy = policy_attributes(new.policy.as_ref());
    for name in POLICY {
        let value = policy.iter().position(|(known, _)| known == name);
        change = change.set_or_remove(name, value.map(|place| policy.swap_remove(place).1));
    }
    if before == 0 {
        change.when("attribute_not_exists(pk)", vec![])
    } else {
        change.when("#version = :before", vec![("before", number(before))])
    }
}

/// The attributes of a policy.
const POLICY: &[&str] = &[
    "policy",
    "policy_at",
    "mistakes",
    "not_opened",
    "label",
    "no_commands",
    "associations",
    "role",
    "bots",
    "repository_hour",
    "person_day",
    "budget",
    "draft",
    "labels",
    "reviewers",
    "validate",
    "on_red",
];

fn policy_attributes(seen: Option<&PolicySeen>) -> Vec<(&'static str, AttributeValue)> {
    let Some(seen) = seen else {
        return Vec::new();
    };
    let mut all = vec![
        ("policy", text(seen.found.as_str())),
        ("policy_at", time(seen.read_at)),
    ];
    match &seen.found {
        PolicyFound::Absent | PolicyFound::Hidden => {}
        PolicyFound::Broken(mistakes) => all.push(("mistakes", texts(mistakes.iter().cloned()))),
        PolicyFound::Read(policy) => {
            let off =
                |switch: Switch| (switch == Switch::Off).then_some(AttributeValue::Bool(true));
            let some = [
                ("label", Some(text(&policy.label))),
                ("not_opened", off(policy.opened)),
                ("no_commands", off(policy.commands)),
                ("role", policy.role.map(|role| text(role.as_str()))),
                ("repository_hour", policy.caps.repository_hour.map(number)),
                ("person_day", policy.caps.person_day.map(number)),
                (
                    "budget",
                    policy.caps.budget.map(|most| number(most.micros())),
                ),
            ];
            all.extend(
                some.into_iter()
                    .filter_map(|(name, value)| Some((name, value?))),
            );
            all.push(("associations", texts(policy.associations.iter().cloned())));
            all.push(("bots", texts(policy.bots.iter().map(u64::to_string))));
            all.extend(wish_attributes(&policy.wishes));
        }
    }
    all
}

fn policy_of(item: &Item<'_>) -> Result<Option<PolicySeen>, StoreError> {
    let Some(word) = item.find_text("policy")? else {
        return Ok(None);
    };
    let listed = |name| {
        let listed = item.texts(name)?.into_iter().map(str::to_owned);
        Ok::<Vec<_>, StoreError>(listed.collect())
    };
    let found = match word {
        "absent" => PolicyFound::Absent,
        "hidden" => PolicyFound::Hidden,
        "broken" => PolicyFound::Broken(listed("mistakes")?),
        "read" => {
            let is_off = |name| Ok::<_, StoreError>(Switch::from(!item.switch(name)?.is_on()));
            let role = item.find_text("role")?;
            let role = role.map(|word| Role::parse(word).ok_or_else(|| item.bad("role")));
            let bots = item.texts("bots")?.into_iter().map(str::parse);
            let budget = item.find_number("budget")?.map(Credits::from_micros);
            PolicyFound::Read(Policy {
                opened: is_off("not_opened")?,
                commands: is_off("no_commands")?,
                label: item.text("label")?.to_owned(),
                associations: listed("associations")?,
                role: role.transpose()?,
                bots: bots
                    .collect::<Result<_, _>>()
                    .map_err(|_| item.bad("bots"))?,
                wishes: wishes_of(item)?,
                caps: Caps {
                    repository_hour: item.find_number("repository_hour")?,
                    person_day: item.find_number("person_day")?,
                    budget: budget
                        .map(|most| most.ok_or_else(|| item.bad("budget")))
                        .transpose()?,
                },
            })
        }
        _ => return Err(item.bad("policy")),
    };
    Ok(Some(PolicySeen {
        found,
        read_at: item.time("policy_at")?,
    }))
}

fn seen_of(attributes: &Attributes) -> Result<SeenRepository, StoreError> {
    let item = Item::new(attributes, READ);
    let membership = Membership::parse(item.text("membership")?);
    let last_job = item.find_text("last_job")?.map(JobId::parse).transpose();
    Ok(SeenRepository {
        id: keys::repository_of(item.text("pk")?).ok_or_else(|| item.bad("pk"))?,
        owner: OwnerId::new(item.number("owner_id")?),
        installation: InstallationId::new(item.number("installation")?),
        name: RepositoryName::parse(item.text("name")?).ok_or_else(|| item.bad("name"))?,
        visibility: if item.switch("private")?.is_on() {
            Visibility::Private
        } else {
            Visibility::Public
        },
        named_at: item.time("named_at")?,
        membership: membership.ok_or_else(|| item.bad("membership"))?,
        decided: (item.time("as_of")?, item.time("received_at")?),
        policy: policy_of(&item)?,
        last_job: last_job.map_err(|_| item.bad("last_job"))?,
        first_seen_at: item.time("at")?,
        version: item.number("version")?,
    })
}
