//! What each function may do on AWS: the rights that `roles.rs` compares with `template.yaml`.

const LOG: &[&str] = &["logs:CreateLogStream", "logs:PutLogEvents"];
const CONSUME: &[&str] = &[
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ChangeMessageVisibility",
];
const SEND: &[&str] = &["sqs:SendMessage"];
const REDRIVE: &[&str] = &[
    "sqs:StartMessageMoveTask",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
];
const COUNT: &[&str] = &["sqs:GetQueueAttributes"];
/// From one verified sender, by one configuration set.
const MAIL: &[&str] = &["ses:SendEmail"];
const SECRET: &[&str] = &["ssm:GetParameters"];
/// Put only: a refused put returns the existing row, which is how receivers and postings recognize a duplicate.
const ADD: &[&str] = &["dynamodb:PutItem"];
const GET: &[&str] = &["dynamodb:GetItem"];
const LIST: &[&str] = &["dynamodb:Query"];
/// Each write is conditional; transactions ask for the rights of what they contain.
const UPDATE: &[&str] = &["dynamodb:UpdateItem"];
/// Moving jobs and settling usage also deletes rows: OPEN#, OWED# and STUCK#.
const MOVE: &[&str] = &[
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
];
/// Admitting members, closing accounts and starting paid work check in the same transaction what they read before.
const CHECK: &[&str] = &["dynamodb:ConditionCheckItem"];
/// The paying account is looked up under owner and installation in one read.
const PAYER: &[&str] = &["dynamodb:BatchGetItem"];

/// How far each sender's log was read, and what is missing.
const RECOVERIES: &[&str] = &[
    "MainTable/keys/RECOVERY#github",
    "MainTable/keys/RECOVERY#stripe",
];

/// Function, actions, resources. Secrets are named as in the template, behind `/tallyhook/<stage>/`.
pub const ALLOWED: &[(&str, &[&str], &[&str])] = &[
    ("github-webhook", LOG, &["GithubWebhookLogs"]),
    ("github-webhook", ADD, &["EventsTable"]),
    ("github-webhook", GET, &["EventsTable/keys/SWITCH#github"]),
    ("github-webhook", SEND, &["GithubEventsQueue"]),
    (
        "github-webhook",
        SECRET,
        &["github-webhook/github-webhook-secrets"],
    ),
    ("stripe-webhook", LOG, &["StripeWebhookLogs"]),
    ("stripe-webhook", ADD, &["EventsTable"]),
    ("stripe-webhook", GET, &["EventsTable/keys/SWITCH#stripe"]),
    ("stripe-webhook", SEND, &["StripeEventsQueue"]),
    (
        "stripe-webhook",
        SECRET,
        &["stripe-webhook/stripe-webhook-secrets"],
    ),
    ("github-events", LOG, &["GithubEventsLogs"]),
    ("github-events", CONSUME, &["GithubEventsQueue"]),
    (
        "github-events",
        SEND,
        &[
            "GithubEventsQueue",
            "PlanQueue",
            "PullsQueue",
            "UsageQueue",
            "NoticesQueue",
            "ProvisioningQueue",
        ],
    ),
    ("github-events", GET, &["EventsTable"]),
    ("github-events", LIST, &["EventsTable"]),
    ("github-events", UPDATE, &["EventsTable"]),
    ("github-events", GET, &["MainTable"]),
    ("github-events", LIST, &["MainTable"]),
    ("github-events", MOVE, &["MainTable"]),
    ("github-events", PAYER, &["MainTable"]),
    ("github-events", CHECK, &["MainTable"]),
    ("github-events", ADD, &["LedgerTable"]),
    (
        "github-events",
        SECRET,
        &[
            "github-events/github-private-key",
            "github-events/ledger-key",
        ],
    ),
    ("stripe-events", LOG, &["StripeEventsLogs"]),
    ("stripe-events", CONSUME, &["StripeEventsQueue"]),
    (
        "stripe-events",
        SEND,
        &["StripeEventsQueue", "NoticesQueue"],
    ),
    ("stripe-events", GET, &["EventsTable"]),
    ("stripe-events", LIST, &["EventsTable"]),
    ("stripe-events", UPDATE, &["EventsTable"]),
    ("stripe-events", GET, &["MainTable"]),
    ("stripe-events", LIST, &["MainTable"]),
    ("stripe-events", MOVE, &["MainTable"]),
    ("stripe-events", ADD, &["LedgerTable"]),
    (
        "stripe-events",
        SECRET,
        &[
            "stripe-events/ledger-key",
            "stripe-events/stripe-secret-key",
        ],
    ),
    ("job-steps", LOG, &["JobStepsLogs"]),
    (
        "job-steps",
        CONSUME,
        &["PlanQueue", "CodeQueue", "ReviewQueue", "AssistsQueue"],
    ),
    (
        "job-steps",
        SEND,
        &[
            "PlanQueue",
            "CodeQueue",
            "ReviewQueue",
            "PullsQueue",
            "AssistsQueue",
        ],
    ),
    ("job-steps", PAYER, &["MainTable"]),
    ("job-steps", GET, &["MainTable"]),
    ("job-steps", MOVE, &["MainTable"]),
    ("job-steps", LIST, &["MainTable"]),
    ("job-steps", ADD, &["LedgerTable"]),
    (
        "job-steps",
        SECRET,
        &[
            "job-steps/github-private-key",
            "job-steps/ledger-key",
            "job-steps/model-api-key",
        ],
    ),
    ("pull-requests", LOG, &["PullRequestsLogs"]),
    ("pull-requests", CONSUME, &["PullsQueue"]),
    (
        "pull-requests",
        SEND,
        &["CodeQueue", "PullsQueue", "UsageQueue", "NoticesQueue"],
    ),
    ("pull-requests", GET, &["MainTable"]),
    ("pull-requests", MOVE, &["MainTable"]),
    ("pull-requests", LIST, &["MainTable"]),
    ("pull-requests", ADD, &["LedgerTable"]),
    (
        "pull-requests",
        SECRET,
        &[
            "pull-requests/github-private-key",
            "pull-requests/ledger-key",
        ],
    ),
    ("usage-reports", LOG, &["UsageReportsLogs"]),
    ("usage-reports", CONSUME, &["UsageQueue"]),
    ("usage-reports", SEND, &["UsageQueue"]),
    ("usage-reports", MOVE, &["MainTable"]),
    ("usage-reports", LIST, &["MainTable"]),
    (
        "usage-reports",
        SECRET,
        &["usage-reports/stripe-secret-key"],
    ),
    ("notices", LOG, &["NoticesLogs"]),
    ("notices", CONSUME, &["NoticesQueue", "MailEventsQueue"]),
    ("notices", SEND, &["NoticesQueue"]),
    ("notices", GET, &["MainTable"]),
    ("notices", UPDATE, &["MainTable"]),
    (
        "notices",
        MAIL,
        &["identity/MailIdentity", "configuration-set/AWS::StackName"],
    ),
    ("provisioning", LOG, &["ProvisioningLogs"]),
    ("provisioning", CONSUME, &["ProvisioningQueue"]),
    ("provisioning", SEND, &["ProvisioningQueue", "NoticesQueue"]),
    ("provisioning", GET, &["MainTable"]),
    ("provisioning", LIST, &["MainTable"]),
    ("provisioning", ADD, &["MainTable"]),
    ("provisioning", UPDATE, &["MainTable"]),
    ("provisioning", SECRET, &["provisioning/stripe-secret-key"]),
    ("sweeper", LOG, &["SweeperLogs"]),
    (
        "sweeper",
        LIST,
        &[
            "EventsTable/index/state",
            "MainTable/index/due",
            "MainTable",
        ],
    ),
    ("sweeper", GET, &["EventsTable", "MainTable"]),
    ("sweeper", UPDATE, &["EventsTable", "MainTable"]),
    ("sweeper", SEND, QUEUES),
    ("sweeper", SEND, &["SweeperDlq"]),
    ("recovery", LOG, &["RecoveryLogs"]),
    ("recovery", GET, &["EventsTable"]),
    ("recovery", ADD, &["EventsTable"]),
    ("recovery", GET, RECOVERIES),
    ("recovery", LIST, RECOVERIES),
    ("recovery", MOVE, RECOVERIES),
    (
        "recovery",
        SEND,
        &["GithubEventsQueue", "StripeEventsQueue", "RecoveryDlq"],
    ),
    (
        "recovery",
        SECRET,
        &["recovery/github-private-key", "recovery/stripe-secret-key"],
    ),
    ("reconciliation", LOG, &["ReconciliationLogs"]),
    ("reconciliation", GET, &["MainTable"]),
    ("reconciliation", LIST, &["MainTable"]),
    ("reconciliation", MOVE, &["MainTable"]),
    (
        "reconciliation",
        LIST,
        &["LedgerTable", "LedgerTable/index/day"],
    ),
    ("reconciliation", ADD, &["LedgerTable"]),
    ("reconciliation", SEND, &["ReconciliationDlq"]),
    ("reconciliation", SECRET, &["reconciliation/ledger-key"]),
    ("api", LOG, &["ApiLogs"]),
    (
        "api",
        SEND,
        &[
            "GithubEventsQueue",
            "PullsQueue",
            "UsageQueue",
            "ProvisioningQueue",
            "AssistsQueue",
        ],
    ),
    ("api", GET, &["MainTable"]),
    ("api", LIST, &["MainTable"]),
    ("api", MOVE, &["MainTable"]),
    ("api", CHECK, &["MainTable"]),
    (
        "api",
        LIST,
        &["MainTable/index/timeline", "LedgerTable/index/timeline"],
    ),
    ("api", GET, &["LedgerTable"]),
    ("api", ADD, &["LedgerTable"]),
    // What is left of each grant follows from all entries.
    ("api", LIST, &["LedgerTable"]),
    ("api", SECRET, &["api/ledger-key", "api/stripe-secret-key"]),
    ("web", LOG, &["WebLogs"]),
    ("web", SEND, &["GithubEventsQueue"]),
    ("web", GET, &["MainTable"]),
    ("web", LIST, &["MainTable"]),
    ("web", GET, &["LedgerTable"]),
    ("web", LIST, &["LedgerTable"]),
    ("web", MOVE, &["MainTable"]),
    ("web", CHECK, &["MainTable"]),
    (
        "web",
        LIST,
        &["MainTable/index/timeline", "LedgerTable/index/timeline"],
    ),
    (
        "web",
        SECRET,
        &["web/github-client-secret", "web/stripe-secret-key"],
    ),
    ("admin", LOG, &["AdminLogs"]),
    ("admin", CHECK, &["MainTable"]),
    ("admin", GET, &["LedgerTable"]),
    ("admin", LIST, &["LedgerTable"]),
    ("admin", GET, &["EventsTable"]),
    ("admin", LIST, &["EventsTable"]),
    ("admin", UPDATE, &["EventsTable"]),
    (
        "admin",
        ADD,
        &[
            "EventsTable/keys/SWITCH#github",
            "EventsTable/keys/SWITCH#stripe",
        ],
    ),
    ("admin", GET, &["MainTable"]),
    ("admin", LIST, &["MainTable"]),
    ("admin", MOVE, &["MainTable"]),
    (
        "admin",
        LIST,
        &[
            "EventsTable/index/state",
            "MainTable/index/timeline",
            "LedgerTable/index/timeline",
        ],
    ),
    ("admin", ADD, &["LedgerTable"]),
    ("admin", SEND, QUEUES),
    ("admin", SEND, &["MailEventsQueue"]),
    ("admin", COUNT, QUEUES),
    ("admin", COUNT, &["MailEventsQueue"]),
    (
        "admin",
        REDRIVE,
        &[
            "GithubEventsDlq",
            "StripeEventsDlq",
            "PlanDlq",
            "CodeDlq",
            "ReviewDlq",
            "PullsDlq",
            "UsageDlq",
            "NoticesDlq",
            "MailEventsDlq",
            "ProvisioningDlq",
            "AssistsDlq",
        ],
    ),
    (
        "admin",
        SECRET,
        &[
            "admin/ledger-key",
            "admin/operator-token",
            "admin/stripe-secret-key",
        ],
    ),
];

const QUEUES: &[&str] = &[
    "GithubEventsQueue",
    "StripeEventsQueue",
    "PlanQueue",
    "CodeQueue",
    "ReviewQueue",
    "PullsQueue",
    "UsageQueue",
    "NoticesQueue",
    "ProvisioningQueue",
    "AssistsQueue",
];

/// Functions where people sign in: they know GitHub by the App's client secret and must not hold its key.
pub const SIGNS_IN: &[&str] = &["web"];

/// Partitions of the main table that decide who comes in and what runs, and the functions that may write them.
pub const WRITERS: &[(&str, &[&str])] = &[
    ("APIKEY#*", &["api", "web", "admin"]),
    ("MEMBERS#*", &["api", "web"]),
    ("OPERATOR#*", &["admin"]),
    ("REVEAL#*", &["provisioning"]),
    ("SESSION#*", &["api", "web"]),
    ("STATE#*", &["web"]),
    ("SWITCHED#*", &["admin"]),
    ("SWITCHES", &["admin"]),
    ("USER#*", &["api", "web"]),
];
