//! Full-text search: in the tenant's language, read as people search the web, and never put out by what it is asked.

use serde_json::{Value, json};

use crate::support::{Actor, Gateway, code};

pub const ADD: &str = "mutation($i: KnowledgeDocumentInput!) { addKnowledgeDocument(input: $i) { id } }";

async fn add(staff: &Actor<'_>, title: &str, content: &str) {
    let added = staff.ask(ADD, json!({ "i": { "title": title, "content": content } })).await;
    assert!(added.get("errors").is_none(), "{added}");
}

/// The titles of what is found, the best first.
async fn found(staff: &Actor<'_>, question: &str) -> Vec<String> {
    let document = "query($q: String!) { searchKnowledge(question: $q) { title score } }";
    let answer = staff.ask(document, json!({ "q": question })).await;
    let passages = answer["data"]["searchKnowledge"].as_array().unwrap_or_else(|| panic!("{question:?}: {answer}"));
    let scores: Vec<_> = passages.iter().filter_map(|passage| passage["score"].as_f64()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b) && scores.iter().all(|score| (0.0..=1.0).contains(score)), "{scores:?}");
    passages.iter().filter_map(|passage| Some(passage["title"].as_str()?.to_owned())).collect()
}

async fn speak(admin: &Actor<'_>, language: &str) -> Value {
    let change =
        format!("mutation {{ updateRetrievalSettings(input: {{ language: {language} }}) {{ language provider }} }}");
    admin.data(&change).await["updateRetrievalSettings"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_compared_as_the_tenants_language_does_from_the_moment_it_is_changed() {
    let gateway = Gateway::start().await;
    let (acme, rival) = (gateway.tenant("acme").await, gateway.tenant("rival").await);
    let (admin, other) = (acme.admin().await, rival.admin().await);
    let spanish = "Las clases de natación empiezan en septiembre.";
    add(&admin, "Clases", spanish).await;
    add(&other, "Clases", spanish).await;
    // In English neither the endings nor the accents of Spanish are known.
    assert_eq!(found(&admin, "¿Cuándo empieza?").await, [""; 0]);
    let before = admin.data("{ tenant { retrieval { language } } }").await;
    assert_eq!(before["tenant"]["retrieval"]["language"], "ENGLISH");
    assert_eq!(speak(&admin, "SPANISH").await, json!({ "language": "SPANISH", "provider": "BUILT_IN" }));
    assert_eq!(found(&admin, "¿Cuándo empieza?").await, ["Clases"]);
    assert_eq!(found(&admin, "de la en").await, [""; 0], "small words of Spanish do not count");
    // What is added from now on is Spanish too; and the assistant finds it.
    add(&admin, "Precios", "Cada nadador paga veinte euros.").await;
    assert_eq!(found(&admin, "¿Cuánto pagan los nadadores?").await, ["Precios"]);
    let conversation = admin.conversation().await;
    admin.chat(&conversation, "¿Cuánto pagan los nadadores?").await.all().await;
    let sources = "{ conversation(id: \"conversation_1\") { messages(last: 1) { nodes { sources { title } } } } }";
    let kept = admin.data(sources).await["conversation"]["messages"]["nodes"][0]["sources"].clone();
    assert_eq!(kept, json!([{ "title": "Precios" }]));
    // The other tenant speaks English as before, and the first may again.
    assert_eq!(found(&other, "¿Cuándo empieza?").await, [""; 0]);
    speak(&admin, "ENGLISH").await;
    assert_eq!(found(&admin, "¿Cuándo empieza?").await, [""; 0]);
    for language in [
        "SIMPLE",
        "FRENCH",
        "GERMAN",
        "PORTUGUESE",
        "ITALIAN",
        "DUTCH",
        "DANISH",
        "NORWEGIAN",
        "SWEDISH",
        "FINNISH",
        "RUSSIAN",
    ] {
        assert_eq!(speak(&admin, language).await["language"], language);
        assert_eq!(found(&admin, "septiembre").await, ["Clases"], "{language}");
    }
    let refused = admin.query("mutation { updateRetrievalSettings(input: { language: null }) { language } }").await;
    assert_eq!((code(&refused), &refused["errors"][0]["extensions"]["field"]), ("BAD_USER_INPUT", &json!("language")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_added_while_the_language_changes_is_in_the_new_one() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    let speaks = "SELECT string_agg(DISTINCT language, ' ') FROM knowledge_chunks";
    let owner = crate::support::cluster::owner(&gateway.database).await;
    for language in ["SPANISH", "ENGLISH", "SPANISH", "ENGLISH"] {
        let adding = (0..6).map(|_| add(&admin, "Clases", "Las clases de natación."));
        futures_util::future::join(futures_util::future::join_all(adding), speak(&admin, language)).await;
        assert_eq!(owner.query_one(speaks, &[]).await.expect("a row").get::<_, String>(0), language);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_read_as_people_search_the_web() {
    let gateway = Gateway::start().await;
    let staff = gateway.tenant("acme").await.staff().await;
    add(&staff, "Parking", "Parking is free behind the building.").await;
    add(&staff, "Bikes", "Free parking for a bike is at the door.").await;
    add(&staff, "Bus", "The bus 14 stops at the door, at example.com/way?a=1&b=2.").await;
    for (question, expected) in [
        // All words first, though the others come closer together in it; then any.
        ("free building", &["Parking", "Bikes"][..]),
        ("door bike", &["Bikes", "Bus"]),
        // In this order and side by side first.
        ("\"free parking\"", &["Bikes", "Parking"]),
        // Without what is excluded, and nothing instead of it.
        ("parking -bike", &["Parking"]),
        ("door -bike -bus", &[]),
        ("bus or building", &["Bus", "Parking"]),
        ("Is there a bus?", &["Bus"]),
        ("example.com/way?a=1&b=2", &["Bus"]),
        ("moon", &[]),
    ] {
        let mut titles = found(&staff, question).await;
        if question.contains(" or ") {
            titles.sort();
            assert_eq!(titles, ["Bus", "Parking"], "{question}");
        } else {
            assert_eq!(titles, expected, "{question}");
        }
    }
    // In a chat a minus is a list's.
    let conversation = staff.conversation().await;
    let events = staff.chat(&conversation, "- parking\n- building").await.all().await;
    assert_eq!(events.last().expect("an end")["message"]["content"], "Parking is free behind the building.");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_question_is_too_odd() {
    let gateway = Gateway::start().await;
    let admin = gateway.tenant("acme").await.admin().await;
    add(&admin, "Parking", "Parking is free.").await;
    let long = |text: &str| text.chars().cycle().take(1_000).collect::<String>();
    let odd = [
        "'",
        "\"",
        "\\",
        "&",
        "|",
        "!",
        "!!",
        "<->",
        "<2> x",
        ":*",
        "a:*",
        "(",
        ")",
        "( a & b",
        "-",
        "--",
        "-\"",
        "\"\"",
        "or",
        "or or",
        "-or",
        "or -",
        "%",
        "$1",
        "'; DROP TABLE leads; --",
        "\u{7f}\u{1}\t",
        "\u{202e}abc",
        "\u{ffff}",
        "𝒳",
        "😀",
    ];
    for question in odd.map(str::to_owned).into_iter().chain(
        ["😀", "漢", "é", "a ", "a-", "\" ", "-\"a", "or ", "!a", "a&b|", "x@y.z ", "'\\ ", "<->", "a.b/c?d=e&f "]
            .map(long),
    ) {
        for language in ["ENGLISH", "SIMPLE"] {
            let count = found(&admin, &question).await.len();
            assert!(count <= 1, "{question} in {language}");
            speak(&admin, language).await;
        }
    }
    let find = "query($q: String!) { searchKnowledge(question: $q) { title } }";
    for refused in ["a\u{0}b".to_owned(), "x".repeat(1_001)] {
        assert_eq!(code(&admin.ask(find, json!({ "q": refused })).await), "BAD_USER_INPUT");
    }
}
