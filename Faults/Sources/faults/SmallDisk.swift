import CFaults
import Glibc

/// A node's disk of its own that can be filled up: ext4, or where no loop device is to be had, tmpfs.
final class SmallDisk {
    let path: String
    private let ext4: Ext4Disk?
    /// Why it is not ext4.
    let complaint: String?

    init(_ name: String, in folder: String, _ watch: Watch) throws(Trouble) {
        do throws(Trouble) {
            let disk = try Ext4Disk(name, in: folder, watch)
            (ext4, path, complaint) = (disk, disk.path, nil)
            return
        } catch {
            (ext4, path, complaint) = (nil, "\(folder)/\(name)-memory", "\(error)")
        }
        guard unsafe mkdir(path, 0o700) == 0 else { throw .impossible("\(path): \(reason(errno))") }
        let status = unsafe faults_mount("tmpfs", path, "tmpfs", "size=96m")
        guard status == 0 else { throw .impossible("\(complaint ?? ""); tmpfs: \(reason(-status))") }
    }
    deinit { if ext4 == nil { _ = unsafe faults_unmount(path) } }

    /// Takes all space but `bytes` with a file of no other use.
    func fill(leaving bytes: Int) throws(Trouble) {
        var space = statvfs()
        guard unsafe statvfs(path, &space) == 0 else { throw .impossible("statvfs: \(reason(errno))") }
        let free = Int(space.f_bavail) * Int(space.f_bsize)
        let file = unsafe open(path + "/ballast", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw .impossible("\(path)/ballast: \(reason(errno))") }
        defer { close(file) }
        if free > bytes { _ = posix_fallocate(file, 0, off_t(free - bytes)) }
    }
    func empty() { _ = unsafe unlink(path + "/ballast") }
}
