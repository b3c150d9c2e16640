import Testing
@testable import dbroker

@Suite struct StatusTextTests {
    private static let live = """
        {"cluster":"plant","node":2,"phase":"live","view":{"number":7,"members":[2,1],"quorum":2},
        "nodes":[{"node":1,"address":"192.0.2.1:7420","rank":1,"state":"suspected","why":"closed by the peer"},
        {"node":2,"address":"192.0.2.2:7420","rank":0,"state":"live"},
        {"node":3,"address":"192.0.2.3:7420","rank":null,"state":"learning","behind":1204,"copied":13107200}],
        "groups":[{"group":0,"level":"durable","topics":3,"publishers":1,"entries":40,"records":900,"ordered":900,"stable":890,
        "durable":880,"delivered":880,"frontier":1},
        {"group":1,"level":"ordered","topics":0,"publishers":0,"entries":0,"records":0,"ordered":0,"stable":0,"durable":null,
        "delivered":0,"frontier":0}],
        "damage":[{"place":"group-0/a.log: bytes 72..<216, entries 0..<1: checksum does not match","entries":1}],
        "entries_repaired":3,"ring":{"tail":0,"let_go":[]},"sessions":4,"records_taken":0,"records_delivered":0,
        "unordered_dropped":0,"batches_refused":0}
        """

    @Test func aStatusIsLaidOutForPeople() {
        #expect(StatusText.render(Self.live) == """
            cluster plant · node 2 is live · view 7 [2 1] (quorum 2) · 4 clients

            node  address         rank  state
            1     192.0.2.1:7420  1     suspected: closed by the peer
            2     192.0.2.2:7420  0     live
            3     192.0.2.3:7420  -     learning, 1204 entries behind, 12.5 MiB copied

            level    topics  publishers  entries  ordered  stable  durable  delivered
            durable  3       1           40       900      890     880      880
            ordered  0       0           0        0        0       -        0

            damaged, being repaired: group-0/a.log: bytes 72..<216, entries 0..<1: checksum does not match

            repaired since the start: 3 entries
            """)
    }

    @Test func whatOthersHoldIsSaidWhereThereIsAny() {
        func text(_ holdings: String) -> String? {
            StatusText.render(Self.live.replacing("\"damage\":", with: "\"holdings\":{\(holdings)},\"damage\":")).split(separator: "\n").first { $0.hasPrefix("replicas") || $0.hasPrefix("no replicas") }
                .map(String.init)
        }
        #expect(text("\"replicas\":[],\"elsewhere\":0,\"lacking\":0,\"fetched_bytes\":0,\"waiting\":0") == nil)
        #expect(text("\"replicas\":[2,3],\"elsewhere\":43,\"lacking\":0,\"fetched_bytes\":13107200,\"waiting\":0")
            == "replicas 2 and 3: others hold 43 of 128 buckets of topics, 12.5 MiB were fetched from them")
        #expect(text("\"replicas\":[],\"elsewhere\":2,\"lacking\":2,\"fetched_bytes\":0,\"waiting\":7")
            == "no replicas any more: others hold 2 buckets of topics, 0 KiB were fetched from them; 2 are still to be fetched for good; "
            + "7 readers wait: no node that holds what they want is here")
    }

    @Test(arguments: ["", "{}", "{\"error\":\"unknown question\"}", "no JSON"]) func whatIsNoStatusIsShownAsItCame(text: String) {
        #expect(StatusText.render(text) == text)
    }
}
