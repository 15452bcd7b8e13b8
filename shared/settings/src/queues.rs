//! The queues that a function may send to.

use crate::Platform;
use boot::{Env, Setting};
use queues::{Queue, Queues};

pub struct QueueSettings {
    urls: Vec<(Queue, String)>,
}

impl QueueSettings {
    pub fn read<const N: usize>(env: &mut Env, queues: [Queue; N]) -> Self {
        Self {
            urls: queues.map(|queue| (queue, env.text(setting(queue)))).into(),
        }
    }

    pub fn connect(self, platform: &Platform) -> Queues {
        Queues::new(&platform.aws.sdk, platform.aws.sqs.as_deref(), self.urls)
    }
}

const fn setting(queue: Queue) -> Setting {
    let description = match queue {
        Queue::GithubEvents => {
            "The URL of the queue of GitHub events and of jobs requested through the API."
        }
        Queue::StripeEvents => "The URL of the queue of Stripe events.",
        Queue::Plan => "The URL of the queue of jobs to be planned.",
        Queue::Code => "The URL of the queue of jobs whose code is to be written.",
        Queue::Review => "The URL of the queue of jobs to be reviewed.",
        Queue::Pulls => {
            "The URL of the queue of pull requests to be opened and comments to be written."
        }
        Queue::Usage => "The URL of the queue of usage to be reported to Stripe.",
        Queue::Notices => "The URL of the queue of mails to be sent.",
        Queue::MailEvents => {
            "The URL of the queue into which Amazon SES puts what became of mails."
        }
        Queue::Provisioning => "The URL of the queue of sign-ups that wait for an account.",
        Queue::Assists => "The URL of the queue of commit summaries and test integrations.",
    };
    Setting::required(queue.setting(), description)
}
