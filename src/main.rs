//! tmp
fn main() {
    for b in [ringfence::bundle::Bundle::embedded(), ringfence::bundle::starter()] {
        let t = std::time::Instant::now();
        match ringfence::compile::compile(&b, &Default::default()) {
            Ok(c) => for d in c.warnings { println!("{d} {:?}", d.primary.as_ref().map(|p| b.source(&p.span.file).unwrap().text[p.span.start..p.span.end].to_owned())) },
            Err(e) => for d in e.diagnostics { println!("{d} {:?} {:?}", d.primary.as_ref().map(|p| b.source(&p.span.file).unwrap().text[p.span.start..p.span.end].chars().take(120).collect::<String>()), d.primary.as_ref().map(|p|p.message.clone())) },
        }
        println!("{:?}", t.elapsed());
    }
}
