//! What is recommended, in which order, and why.
#![expect(clippy::unwrap_used, reason = "a test may")]

use super::*;

const SHOP: &str = "\
id,title,title_zh,type,brand,price,popularity,description
k1,Dawn kettle,晨光电水壶,kettle,Dawn,259,3,Boils water fast
k2,Glass kettle,玻璃电水壶,kettle,Clear,399,9,You see it boil
k3,Travel kettle,旅行电水壶,kettle,Dawn,149,5,Folds flat for a suitcase
t1,Flask,保温壶,flask,Warm,299,8,Keeps warm for a day
";

fn recommend(settings: Settings) -> Result<Recommend, String> {
    let (catalogue, _) = Catalogue::read(SHOP.as_bytes()).unwrap();
    Recommend::new(Arc::new(Shop::new(catalogue)), &settings)
}

fn by(prior: Option<&str>, group: Option<&str>) -> Settings {
    Settings { limit: 3, prior: prior.map(str::to_owned), group: group.map(str::to_owned) }
}

async fn asked(settings: Settings, text: &str) -> Option<Answer> {
    let (request, intent) = (Request { text: text.into(), ..Request::default() }, IntentName::new("shop").unwrap());
    let job = Job::new(&request, &intent, tokio::time::Instant::now());
    recommend(settings).unwrap().handle(&job).await.unwrap()
}

async fn check(settings: Settings, text: &str, expected: &[&str]) {
    let answer = asked(settings, text).await;
    let ids = answer.map_or(Vec::new(), |answer| {
        let data: Value = serde_json::from_str(answer.details.data.unwrap().get()).unwrap();
        data["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    });
    assert_eq!(ids, expected, "{text}");
}

#[tokio::test]
async fn words_rank_then_the_authors_column_and_each_group_comes_once() {
    check(by(None, None), "a kettle that folds for my suitcase", &["k3", "k1", "k2"]).await;
    check(by(Some("popularity"), None), "a kettle", &["k2", "k3", "k1"]).await;
    check(by(Some("popularity"), Some("brand")), "a kettle", &["k2", "k3"]).await;
    check(by(Some("popularity"), Some("brand")), "a kettle of Dawn", &["k3", "k1"]).await;
    check(by(Some("popularity"), None), "what can you recommend", &["k2", "t1", "k3"]).await;
    check(by(Some("popularity"), None), "the cheapest kettle", &["k3", "k1", "k2"]).await;
    check(by(None, None), "a kettle under 300", &["k1", "k3"]).await;
    check(by(None, None), "a kettle under 100", &[]).await;
}

#[tokio::test]
async fn what_isnt_wanted_ranks_nothing_whatever_word_says_it() {
    check(by(None, None), "a kettle, not the travel one", &["k1", "k2"]).await;
    check(by(None, None), "a kettle without glass", &["k1", "k3"]).await;
    check(by(None, None), "kettle，不要旅行的", &["k1", "k2"]).await;
    check(by(None, None), "kettle，除了晨光", &["k2", "k3"]).await;
}

#[tokio::test]
async fn a_follow_up_keeps_what_was_wished_before() {
    let intent = IntentName::new("shop").unwrap();
    let request = Request { text: "and under 200?".into(), ..Request::default() };
    let job = Job::new(&request, &intent, tokio::time::Instant::now());
    let asked = Job { before: Some("a kettle\nand under 300?"), ..job };
    let answer = recommend(by(None, None)).unwrap().handle(&asked).await.unwrap().unwrap();
    assert_eq!(answer.text, "1. Travel kettle: price 149 (≤ 200), kettle");
}

#[tokio::test]
async fn what_was_named_before_in_other_words_than_the_tables_holds_on() {
    let intent = IntentName::new("shop").unwrap();
    let kettle =
        |start, end| vec![Entity { name: "type".into(), value: "kettle".into(), text: String::new(), start, end }];
    for (before, named, text, expected) in [
        (
            "an electric boiler",
            kettle(3, 18),
            "and cheaper?",
            "1. Travel kettle: kettle\n2. Dawn kettle: kettle\n3. Glass kettle: kettle",
        ),
        (
            "300元以内的水壶",
            kettle(7, 9),
            "便宜一点的呢",
            "1. 旅行电水壶：价格 149（≤ 300），水壶\n2. 晨光电水壶：价格 259（≤ 300），水壶",
        ),
    ] {
        let (request, named) = (Request { text: text.into(), ..Request::default() }, [named]);
        let job = Job::new(&request, &intent, tokio::time::Instant::now());
        let asked = Job { before: Some(before), named_before: &named, ..job };
        let answer = recommend(by(None, None)).unwrap().handle(&asked).await.unwrap().unwrap();
        assert_eq!(answer.text, expected);
    }
}

#[tokio::test]
async fn a_cheaper_one_is_the_cheapest_of_what_was_wished_before() {
    let intent = IntentName::new("shop").unwrap();
    for (text, first) in [
        ("how about the cheaper one?", "1. Travel kettle: "),
        ("有没有便宜一点的", "1. 旅行电水壶："),
        ("and one cheaper than 150?", "1. Travel kettle: price 149 (≤ 150)"),
    ] {
        let request = Request { text: text.into(), ..Request::default() };
        let job = Job::new(&request, &intent, tokio::time::Instant::now());
        let asked = Job { before: Some("a kettle under 300"), ..job };
        let answer = recommend(by(None, None)).unwrap().handle(&asked).await.unwrap().unwrap();
        assert!(answer.text.starts_with(first), "{text}: {}", answer.text);
    }
}

#[tokio::test]
async fn the_answer_says_why() {
    let answer = asked(by(None, None), "a kettle under 200").await.unwrap();
    assert_eq!(answer.text, "1. Travel kettle: price 149 (≤ 200), kettle");
    let data: Value = serde_json::from_str(answer.details.data.unwrap().get()).unwrap();
    assert_eq!(data["items"][0]["values"]["price"], 149.0);
    assert_eq!(data["items"][0]["why"], serde_json::json!(["price 149 (≤ 200)", "kettle"]));
    let answer = asked(by(None, None), "200元以下").await.unwrap();
    assert_eq!(answer.text, "1. 旅行电水壶：价格 149（≤ 200）");
}

#[tokio::test]
async fn the_variant_that_fits_is_told_with_its_price() {
    let shop = "Handle,Title,Option1 Name,Option1 Value,Variant Price\n\
                tee,Tee,Size,Small,19\ntee,,,Medium,25\nmug,杯子,颜色,红色,30\nmug,,,蓝色,18\nbelt,Belt,,,40\n";
    let (catalogue, _) = Catalogue::read(shop.as_bytes()).unwrap();
    let handler = Recommend::new(Arc::new(Shop::new(catalogue)), &by(None, None)).unwrap();
    let intent = IntentName::new("shop").unwrap();
    for (text, expected) in [
        ("anything under 20?", "1. Tee (Small): Variant Price 19 (≤ 20)\n2. 杯子 (蓝色): Variant Price 18 (≤ 20)"),
        ("二十元以下的", "1. Tee（Small）：价格 19（≤ 20）\n2. 杯子（蓝色）：价格 18（≤ 20）"),
        ("anything under 35?", "1. Tee: Variant Price from 19 (≤ 35)\n2. 杯子: Variant Price from 18 (≤ 35)"),
        ("三十五元以下的", "1. Tee：价格 19起（≤ 35）\n2. 杯子：价格 18起（≤ 35）"),
        ("the cheapest", "1. 杯子\n2. Tee\n3. Belt"),
        ("the most expensive", "1. Belt\n2. 杯子 (红色)\n3. Tee (Medium)"),
    ] {
        let request = Request { text: text.into(), ..Request::default() };
        let job = Job::new(&request, &intent, tokio::time::Instant::now());
        let answer = handler.handle(&job).await.unwrap().unwrap();
        assert_eq!(answer.text, expected, "{text}");
        let data: Value = serde_json::from_str(answer.details.data.unwrap().get()).unwrap();
        let (variant, prices) = match text {
            "anything under 20?" => (serde_json::json!("Small"), Value::Null),
            "anything under 35?" => (Value::Null, serde_json::json!([19.0, 25.0])),
            _ => continue,
        };
        let item = &data["items"][0];
        assert_eq!(
            (&item["variant"], &item["prices"], &item["values"]["Variant Price"]),
            (&variant, &prices, &serde_json::json!(19.0))
        );
    }
}

#[tokio::test]
async fn the_cheapest_of_what_words_find_goes_before_what_is_cheaper() {
    const CLOTHES: &str = "\
id,title,title_zh,price
b,Leather belt,皮带,15
h1,Grey hoodie,灰色卫衣,45
h2,Blue hoodie,蓝色卫衣,39
j,Leather jacket,皮夹克,129
";
    let (catalogue, _) = Catalogue::read(CLOTHES.as_bytes()).unwrap();
    let handler = Recommend::new(Arc::new(Shop::new(catalogue)), &by(None, None)).unwrap();
    let intent = IntentName::new("shop").unwrap();
    for (before, text, expected) in [
        (None, "the cheapest hoodie", "1. Blue hoodie\n2. Grey hoodie\n3. Leather belt"),
        (None, "the most expensive hoodie", "1. Grey hoodie\n2. Blue hoodie\n3. Leather jacket"),
        (None, "show me the cheapest leather jacket", "1. Leather jacket\n2. Leather belt\n3. Blue hoodie"),
        (None, "最便宜的卫衣", "1. 蓝色卫衣\n2. 灰色卫衣\n3. 皮带"),
        (None, "最贵的皮夹克", "1. 皮夹克\n2. 灰色卫衣\n3. 蓝色卫衣"),
        (Some("a hoodie"), "and the cheapest?", "1. Blue hoodie\n2. Grey hoodie\n3. Leather belt"),
        (None, "the cheapest", "1. Leather belt\n2. Blue hoodie\n3. Grey hoodie"),
        (None, "the cheapest piano", "1. Leather belt\n2. Blue hoodie\n3. Grey hoodie"),
        (None, "最便宜的", "1. 皮带\n2. 蓝色卫衣\n3. 灰色卫衣"),
    ] {
        let request = Request { text: text.into(), ..Request::default() };
        let job = Job { before, ..Job::new(&request, &intent, tokio::time::Instant::now()) };
        let answer = handler.handle(&job).await.unwrap().unwrap();
        assert_eq!(answer.text, expected, "{text}");
    }
}

#[test]
fn a_column_that_isnt_there_is_told() {
    let error = recommend(by(Some("stars"), None)).unwrap_err();
    assert!(
        error.starts_with("recommend.prior: the catalogue has no column 'stars': there are 'type', 'brand'"),
        "{error}"
    );
    assert!(recommend(by(Some("brand"), None)).unwrap_err().contains("has no numbers"));
}
