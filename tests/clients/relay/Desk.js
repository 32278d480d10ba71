// What a page that is built with Relay would ask: each component's own part, and the operations around them. Only the
// compiler reads this; the test runs what it makes of it.

import { graphql } from "relay-runtime";

graphql`
  query DeskQuery($filter: LeadFilter) {
    me {
      id
      email
    }
    ...Desk_leads @arguments(filter: $filter)
  }
`;

graphql`
  fragment Desk_leads on Query
  @refetchable(queryName: "DeskLeadsPageQuery")
  @argumentDefinitions(
    filter: { type: "LeadFilter" }
    count: { type: "Int", defaultValue: 2 }
    cursor: { type: "String" }
  ) {
    leads(
      filter: $filter
      orderBy: { field: CREATED_AT, direction: ASC }
      first: $count
      after: $cursor
    ) @connection(key: "Desk_leads", filters: ["filter"]) {
      edges {
        node {
          id
          ...Desk_lead
        }
      }
    }
  }
`;

graphql`
  fragment Desk_lead on Lead @refetchable(queryName: "DeskLeadRefetchQuery") {
    id
    name
    status
  }
`;

graphql`
  mutation DeskUpdateLeadMutation($id: ID!, $input: UpdateLeadInput!) {
    updateLead(id: $id, input: $input) {
      ...Desk_lead
    }
  }
`;

graphql`
  subscription DeskChatSubscription($input: SendMessageInput!) {
    chat(input: $input) {
      __typename
      cursor
      ... on ReplyDelta {
        text
      }
      ... on ReplyCompleted {
        message {
          id
          content
        }
      }
    }
  }
`;
