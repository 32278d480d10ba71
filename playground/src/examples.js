// The tabs of a first visit, in the order of a first visit. Must not need anything that is not typed here.

export const examples = [
  `# Sign in above, then run this: Ctrl+Enter.
query WhoAmI {
  me {
    email
    role
    tenant { id name }
  }
}
`,
  {
    query: `# What the form above does, for a frontend of
# your own. Address and password: in Variables.
mutation SignIn($input: LoginInput!) {
  login(input: $input) {
    accessToken
    expiresIn
    refreshToken
  }
}
`,
    variables: `{ "input": { "email": "", "password": "" } }`,
  },
  `# As the platform's administrator. Then choose
# the tenant above, to act in it.
mutation CreateTenant {
  createTenant(input: { name: "Example Co", subdomain: "exampleco" }) {
    id
    subdomain
    onboarding { key title isDone hint }
  }
}
`,
  `# As anybody in a tenant.
query Leads {
  leads(first: 10) {
    totalCount
    nodes { id name email phone status createdAt }
  }
}
`,
  `# As a tenant's administrator: what the assistant
# is to know.
mutation SetUpPrompt {
  setupPrompt(input: {
    name: "Main"
    businessPrompt: "Example Co sells examples of everything."
    faq: "Q: When are you open? A: Monday to Friday, nine to five."
    rules: "Be brief."
  }) {
    id
    version
    status
  }
}
`,
  `# As anybody in a tenant: a customer's question,
# and its answer as it is written.
subscription Chat {
  chat(input: { content: "When are you open?" }) {
    __typename
    conversationId
    ... on MessageAdded { message { role content } }
    ... on ReplyStarted { message { id status } }
    ... on ReplyDelta { text }
    ... on ReplyCompleted {
      finishReason
      message { content }
    }
    ... on ReplyFailed { code reason }
  }
}
`,
].map((tab) => (typeof tab === "string" ? { query: tab } : tab));
