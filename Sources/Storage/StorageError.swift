internal import Glibc
package import Wire

/// Why the disk or what lies on it stopped an operation, and what to do about it.
package struct StorageError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Kind: Equatable, Sendable {
        /// A system call failed with this errno.
        case system(Int32)
        /// Another process holds the data directory.
        case locked(by: String)
        /// Bytes that were written and synced do not read back.
        case damage(Damage)
        /// The caller handed over bytes that fail their own checks; nothing was written.
        case corruptInput(String)
        /// An earlier sync failed: what the disk holds is not known until the log is opened again.
        case poisoned(String)
        /// The entries asked for were dropped by retention, or are not there yet.
        case outside(String)
    }

    package let kind: Kind
    package let operation: String
    package let path: String

    package init(_ kind: Kind, _ operation: String, _ path: String) {
        self.kind = kind
        self.operation = operation
        self.path = path
    }

    /// No space or quota left: nothing is lost, and the operation can be repeated once there is space.
    package var isFull: Bool { kind == .system(ENOSPC) || kind == .system(EDQUOT) }
    /// A sync failed: it must not be repeated, because the kernel forgets the pages that it could not write.
    package var isFailedSync: Bool {
        guard case .system = kind else { return false }
        return operation == "fdatasync" || operation == "fsync"
    }

    package var description: String {
        switch kind {
        case .system(let number): "\(path): \(operation): \(Self.text(number)) (errno \(number)); \(advice)"
        case .locked(let holder): "\(path): in use by \(holder); \(advice)"
        case .damage(let damage): "\(damage); \(advice)"
        case .corruptInput(let what): "\(path): \(operation): refused, nothing was written: \(what)"
        case .poisoned(let cause): "\(path): \(operation): refused since an earlier sync failed (\(cause)); \(advice)"
        case .outside(let what): "\(path): \(operation): \(what)"
        }
    }

    private var advice: String {
        switch kind {
        case .system(ENOSPC): "free space on this device or lower the retention"
        case .system(EDQUOT): "raise the quota of this user or lower the retention"
        case .system(EACCES), .system(EPERM): "give this user the right to read and write there"
        case .system(EROFS): "mount the file system for writing"
        case .system(EMFILE), .system(ENFILE): "raise the limit of open files"
        case .system(EIO): "check the device (dmesg, smartctl); the other replicas hold the data"
        case .system: "check the path and the device"
        case .locked: "stop the other node or give this one a data directory of its own"
        case .damage: "repair from another replica; the log below the damage can be read"
        case .poisoned: "check the device and start the node again"
        case .corruptInput, .outside: ""
        }
    }

    private static func text(_ number: Int32) -> String {
        // strerror returns a text that lives as long as the thread's next call; it is copied at once.
        guard let text = unsafe strerror(number) else { return "unknown error" }
        return unsafe String(cString: text)
    }
}

/// A stretch of a log that was once on the disk and does not read back.
package struct Damage: Equatable, Sendable, CustomStringConvertible {
    /// The segment's path, relative to the data directory.
    package let segment: String
    /// Bytes of the segment's file, from the first that is wrong to the next that is known good.
    package let bytes: Range<Int>
    /// Entries that lie there; empty when only the segment's header is damaged.
    package let entries: Range<EntryNumber>
    package let what: String

    package init(segment: String, bytes: Range<Int>, entries: Range<EntryNumber>, what: String) {
        self.segment = segment
        self.bytes = bytes
        self.entries = entries
        self.what = what
    }
    package var description: String {
        "\(segment): damage in bytes \(bytes.lowerBound)..<\(bytes.upperBound), "
            + "entries \(entries.lowerBound.raw)..<\(entries.upperBound.raw): \(what)"
    }
}
