import ArgumentParser
import Simulation

@main
struct Simulate: ParsableCommand {
    mutating func run() throws { print("nothing yet") }
}
