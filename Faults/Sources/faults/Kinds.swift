/// A kind of fault, how it is set up, and how much of it runs at a time in the mixed run.
struct Kind: Sendable {
    let name: String
    let title: String
    /// Clusters side by side in the mixed run, and when it is the only kind.
    let scenes: Int
    let alone: Int
    /// Records a second, and how many milliseconds they may wait for company.
    var rate = 100
    var linger = 20
    /// Cycles from one reading of all logs to the next; the folder is fresh after so many readings.
    var cycles = 30
    var readings = 3
    let make: @Sendable (Stage, Board) throws(Trouble) -> any Fault

    static let all: [Kind] = [
        Kind(name: "kill", title: "SIGKILL of one node of three", scenes: 2, alone: 6) { stage, _ throws(Trouble) in try Kills(stage, .nodes(1)) },
        Kind(name: "kill-two", title: "SIGKILL of two nodes of three at once", scenes: 1, alone: 6) { stage, _ throws(Trouble) in
            try Kills(stage, .nodes(2))
        },
        Kind(name: "kill-all", title: "SIGKILL of all three nodes at once", scenes: 1, alone: 6) { stage, _ throws(Trouble) in
            try Kills(stage, .nodes(3))
        },
        Kind(name: "kill-publisher", title: "SIGKILL of the publisher, same identity again", scenes: 1, alone: 4, rate: 2000, cycles: 10) { stage, _ throws(Trouble) in
            try Kills(stage, .publisher)
        },
        Kind(name: "boundary", title: "SIGKILL at a drawn system call, one node alone", scenes: 3, alone: 8, rate: 200, linger: 5, cycles: 60) { stage, board throws(Trouble) in
            try Boundaries(stage, nodes: 1, board)
        },
        Kind(name: "boundary-3", title: "SIGKILL at a drawn system call, one node of three", scenes: 2, alone: 6) { stage, board throws(Trouble) in
            try Boundaries(stage, nodes: 3, board)
        },
        Kind(name: "error", title: "EIO, ENOSPC from write, sync, rename, one node alone", scenes: 1, alone: 6, linger: 5) { stage, _ throws(Trouble) in
            try DiskErrors(stage, nodes: 1)
        },
        Kind(name: "error-3", title: "EIO, ENOSPC from write, sync, rename, one node of three", scenes: 1, alone: 6) { stage, _ throws(Trouble) in
            try DiskErrors(stage, nodes: 3)
        },
        Kind(name: "stop", title: "SIGSTOP, SIGCONT of one node of three", scenes: 1, alone: 6) { stage, _ throws(Trouble) in try Pauses(stage) },
        Kind(name: "drop", title: "one-way packet drops between three nodes", scenes: 1, alone: 6) { stage, _ throws(Trouble) in try Drops(stage) },
        Kind(name: "power", title: "power cut of one node alone, ext4", scenes: 3, alone: 6, linger: 5, cycles: 60) { stage, _ throws(Trouble) in
            try PowerCuts(stage, nodes: 1)
        },
        Kind(name: "power-3", title: "power cut of one or all of three nodes, ext4", scenes: 1, alone: 4) { stage, _ throws(Trouble) in
            try PowerCuts(stage, nodes: 3)
        },
        Kind(name: "full", title: "full disk at one node of three, ext4", scenes: 1, alone: 4, rate: 700, cycles: 10, readings: 2) { stage, board throws(Trouble) in
            try FullDisks(stage, nodes: 3, board)
        },
    ]
}
