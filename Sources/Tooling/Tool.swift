package import ArgumentParser
internal import CSystem
internal import Glibc
internal import Wire

/// The number of the level that -q names; nil: none is named.
package func namedLevel(_ text: String?) throws(ToolFailure) -> Int? {
    guard let text else { return nil }
    guard let level = Level(named: text) else { throw .usage("-q: \"\(text)\" is not a level: unordered, ordered, durable, signed, or 0 to 3") }
    return Int(level.rawValue)
}

/// A command line tool: arguments in, exit status out.
package protocol Tool: ParsableCommand {
    /// Does the work; what it throws is said on standard error behind the tool's name.
    func perform() throws(ToolFailure) -> ExitStatus
}

extension Tool {
    /// Parses the process's arguments, runs the command that they name and exits; usage errors end with status 64.
    package static func runToExit() -> Never {
        let name = Self._commandName
        Interrupts.ignoreClosedPipes()
        squall_keep_memory()
        do {
            var command = try Self.parseAsRoot()
            guard let tool = command as? any Tool else {
                try command.run()
                Glibc.exit(ExitStatus.done.rawValue)
            }
            Glibc.exit(try tool.perform().rawValue)
        } catch let failure as ToolFailure {
            say(name, failure.message)
            if failure.status == .usage { hint(name) }
            Glibc.exit(failure.status.rawValue)
        } catch {
            let code = Self.exitCode(for: error)
            if code.isSuccess {
                // Help, version, completion scripts: what was asked for, so on standard output.
                _ = Descriptor.writeLine(Self.fullMessage(for: error), to: 1)
                Glibc.exit(ExitStatus.done.rawValue)
            }
            say(name, Self.message(for: error))
            if code == .validationFailure { hint(name) }
            Glibc.exit(code.rawValue)
        }
    }

    private static func hint(_ name: String) { _ = Descriptor.writeLine("Try '\(name) --help'.", to: 2) }
}

/// One line on standard error: `name: message`.
package func say(_ name: String, _ message: String) { _ = Descriptor.writeLine("\(name): \(message)", to: 2) }

/// What `--version` answers.
package let toolVersion = "squall 0.1.0"

extension ParsableArguments {
    /// These flags as they stand in `words`, for callers that have no need of ArgumentParser otherwise.
    package static func reading(_ words: [String]) throws -> Self { try parse(words) }
}
