/** Every limit has a name here. Sizes in bytes, times in milliseconds. */
export const limits = {
  /** Longest name of a directory entry. */
  nameBytes: 255,
  /** Longest path, as PATH_MAX. */
  pathBytes: 4096,
  /** Symbolic links followed in one look-up before ELOOP. */
  symlinkDepth: 40,
  /** Largest file: the largest safe integer. */
  fileSizeBytes: Number.MAX_SAFE_INTEGER,
  /** Largest extended attribute value, as XATTR_SIZE_MAX. */
  xattrValueBytes: 65536,
  /** Largest list of extended attribute names of one file, as XATTR_LIST_MAX. */
  xattrListBytes: 65536,
  /** Links to one inode. */
  linkCount: 65000,
  /** Bytes of one page of the tree. */
  pageBytes: 8192,
  /** Largest value that a page takes; longer things are split over keys. */
  valueBytes: 2048,
  /** Content up to this size stands in the attribute record. */
  inlineBytes: 256,
  /** Content up to this size stands in the content region. */
  smallBytes: 2048,
  /** Largest file that is merged by lines; a larger one that both sides changed is a conflict. */
  mergeTextBytes: 4 * 1024 * 1024,
  /** Commits that an undo looks at before it asks to be told where to begin. */
  undoCommits: 100_000,
  /** Largest file that full-text search takes up. */
  searchFileBytes: 4 * 1024 * 1024,
  /** An index beyond this size is made anew when it is opened: what was deleted long ago leaves it so. */
  searchIndexBytes: 4 * 1024 * 1024 * 1024,
  /** Stored trees of a volume that an index remembers as complete. */
  searchTrees: 4096,
  /** Text of new contents that goes to an index at once. */
  searchBatchBytes: 8 * 1024 * 1024,
  /** Contents that are looked at for one search at most, whatever of them the state has. */
  searchHits: 20_000,
  /** Names that are looked at to find the others of files that have several. */
  searchNames: 200_000,
  /** Matches that one search gives at most. */
  searchMatches: 10_000,
  /** Characters of a line that are shown. */
  searchSnippetChars: 240,
  /** Threads that match a pattern at once, files and bytes that one takes at a time, and how long it may take on one, or on one window of it. */
  grepThreads: 4,
  grepBatchFiles: 512,
  grepBatchBytes: 4 * 1024 * 1024,
  grepMatchMs: 10_000,
  /** Largest file that grep reads. */
  grepFileBytes: 256 * 1024 * 1024,
  /** A larger file is read so much at a time, and a bit more where a line is longer. */
  grepWindowBytes: 4 * 1024 * 1024,
  /** How long threads that match nothing are kept for the next search. */
  grepIdleMs: 10_000,
  /** Bytes of a .gitignore that count. */
  ignoreFileBytes: 256 * 1024,
  /** Stars in one name of a line of a .gitignore; a line with more counts for nothing. */
  ignoreStars: 4,
  /** Lines around a match. */
  grepContextLines: 1000,
  /** Unit of content above that: one block, one segment, one checksum. */
  blockBytes: 65536,
  /** Blocks that one batch takes away; a file that becomes shorter by more goes through sizes in between. */
  dropBlocks: 16384,
  /** Content not yet folded into blocks, in memory, over all volumes of a process. */
  overlayBytes: 64 * 1024 * 1024,
  /** Clean pages kept in memory, over all volumes of a store. */
  pageCacheBytes: 160 * 1024 * 1024,
  /** Verified blocks kept in memory, over all volumes of a store. */
  blockCacheBytes: 32 * 1024 * 1024,
  /** A pack is closed beyond this size. */
  packBytes: 64 * 1024 * 1024,
  /** One file of the journal. */
  journalSegmentBytes: 8 * 1024 * 1024,
  /** Zeros written ahead of the journal's end while syncs are frequent. */
  journalZeroBytes: 256 * 1024,
  /** So many files and more, written together, are synced by one syncfs(2) instead of an fsync each. */
  syncfsFiles: 16,
  /** Descriptors of objects that a directory store keeps open. */
  storeOpenFiles: 64,
  /** Objects in one page of a listing. */
  listPageObjects: 1000,
  /** Attempts of a compare-and-swap loop, and of a put whose folder is being removed by another process. */
  casAttempts: 100,
  /** A store that another process keeps locked for longer than this is reported as busy. */
  storeLockMs: 10_000,
  /** When the log of a SQLite file has so many pages it is brought into the file, which whoever writes waits for. */
  sqliteLogPages: 512,
  /** Free pages that a SQLite file gives back at once. */
  sqliteVacuumPages: 8192,
  /** Temporary files of a store older than this are leftovers of a crash. */
  storeTemporaryMs: 24 * 3600 * 1000,
  /** Attempts of one request to a remote store, and the waits between them: half to all of a bound that doubles from the first to the longest. */
  storeAttempts: 8,
  storeFirstWaitMs: 50,
  storeLongestWaitMs: 5000,
  /** A remote store must accept a connection within this, and send or take something within that. */
  storeConnectMs: 5000,
  storeIdleMs: 30_000,
  /** One that rests is used again only within this: servers close theirs after 5 s and more. */
  storeRestMs: 4000,
  /** Connections to one remote store. */
  storeConnections: 64,
  /** Larger objects are sent to a remote store in parts of this size, so many at once. */
  storePartBytes: 8 * 1024 * 1024,
  storePartsAtOnce: 4,
  /** Keys deleted with one request. */
  storeDeleteKeys: 1000,
  /** The head, encoded. */
  headBytes: 8192,
  /** Journal beyond which the volume seals: what an open after a kill replays, at some 10 µs per small file. */
  sealJournalBytes: 16 * 1024 * 1024,
  /** Largest change that is recorded at once, with the versions that it saves: a frame of the journal takes 1 GiB. */
  changeBytes: 1000 * 1024 * 1024,
  /** Small segments that go into a pack with one write. */
  packHoldBytes: 256 * 1024,
  /** Blocks in packs that the head does not name, beyond which the volume seals: recovery reads them again. */
  sealSpoolBytes: 512 * 1024 * 1024,
  /** The same of a volume that is stored elsewhere, whose packs are on their way while others are written. */
  sealFarSpoolBytes: 128 * 1024 * 1024,
  /** Dirty pages beyond which the volume seals. */
  sealDirtyBytes: 64 * 1024 * 1024,
  /** More than this is sealed in slices where others wait. */
  sealAtOnceBytes: 4 * 1024 * 1024,
  /** Without a change for this long, a dirty volume seals. */
  sealIdleMs: 5000,
  /** Longest slice of sealing between two requests. */
  sealSliceMs: 4,
  /** Changes are in a commit after this, whether anybody asks for one or not. */
  autoCommitMs: 5 * 60 * 1000,
  /** Longest name of a volume, and of an actor. */
  volumeNameCharacters: 100,
  actorCharacters: 200,
  /** Changes of several actors who take turns get commits of their own: so many at once, and one more after each so many milliseconds. */
  authorCommits: 32,
  authorCommitMs: 1000,
  /** The same of actors who can wait for their turn: so long each has it, while others want to go on. */
  authorTurnMs: 25,
  /** Acknowledged changes reach the disk after this at the latest. */
  commitIntervalMs: 1000,
  /** Largest READ or WRITE through a mount; the kernel takes at most 256 pages by default. */
  fuseRequestBytes: 1024 * 1024,
  /** What the kernel reads ahead in a mount. */
  fuseReadAheadBytes: 4 * 1024 * 1024,
  /** How long the kernel may keep names and attributes; changes from elsewhere are pushed to it. */
  fuseCacheSeconds: 3600,
  /** The loop reads again this long before it sleeps. Microseconds. */
  fuseSpinUs: 50,
  /** Requests of one mount answered before the next mount's turn. */
  fuseTurn: 64,
  /** Turns of all mounts that a request of a client may wait for, when it has just written dirty pages back. */
  fuseCatchUpTurns: 256,
  /** A request that was given up so often, because what it needs was not here, waits for it the next time. */
  fuseMisses: 64,
  /** Listings are made ahead where so many directories in a row were expected: so many, of so many bytes, of so many directories that are kept in mind. */
  fuseAheadHits: 2,
  fuseAheadListings: 4,
  fuseAheadBytes: 64 * 1024,
  fuseAheadDirectories: 4096,
  /** Views of one mount that the kernel forgot and that keep their numbers, in case somebody comes back to them. */
  idleViews: 64,
  /** Views of one mount that the kernel holds before it is asked to let go of those used longest ago. */
  heldViews: 512,
  /** Filesystems over commits that one mount keeps open. */
  viewFilesystems: 64,
  /** Directory entries that each of them keeps in memory. */
  viewNames: 16384,
  /** Versions of files that one mount keeps open, and lists of versions that it keeps for so long. */
  openVersions: 16,
  versionListMs: 1000,
  /** Inodes of `.cairn/versions` that the kernel forgot before their records are deleted. */
  forgottenVersions: 256,
  /** Commits that `.cairn/at` lists and `.cairn/log` tells of. */
  viewCommits: 1000,
  /** Directories that a mount's kernel has looked into, names that it knows to be missing, inodes that it was told to forget: so many are remembered of each. */
  knownToKernel: 100_000,
  /** Globs in one list of a view's rules. */
  viewGlobs: 1000,
  /** Directories whose paths a view with rules keeps in memory. */
  viewDirectories: 65_536,
  /** A directory with more below it is not moved through a view with rules that depend on paths: it is copied (EXDEV), as to another file system. */
  viewMovedEntries: 10_000,
  /** How long the view of a program that the restarted server has not heard of yet is kept. */
  viewClaimMs: 30_000,
  /** Empty folders for views that are kept for the next ones. */
  spareViewFolders: 128,
  /** Longest command of `.cairn/control`, and the longest answer that is kept. */
  controlCommandBytes: 65536,
  controlAnswerBytes: 1024 * 1024,
  /** Users whose last answer is kept, and open descriptors that have one of their own. */
  controlAnswers: 1024,
  /** fsyncs that may wait for the sync thread; more are done inline. */
  syncQueue: 1024,
  /** A name that a file had for less than this is a temporary one: that it was given up for another is not kept. */
  versionTemporaryMs: 60_000,
  /** Globs of one volume that keep files from having versions, and their length. */
  versionGlobs: 256,
  versionGlobBytes: 1024,
  /** Directories that one component of a path may have been, looked at for its versions, the newest first. */
  versionDirectories: 64,
  /** What retention drops is dropped this long after a volume was opened, for the first time … */
  pruneFirstMs: 120_000,
  /** … and this often after that. */
  pruneIntervalMs: 3600 * 1000,
  /** Whether the history of a volume is larger than it may be is looked at this often, while something changes. */
  historyCheckMs: 60_000,
  /** Records that one batch of pruning changes, about. */
  pruneAtOnce: 128,
  /** The newest so many merges are not pruned, nor what they joined: the next merge starts from there. */
  mergesKept: 64,
  /** Entries that an audit chain keeps, and how many of the oldest go at once where there are more. */
  auditEntries: 100_000,
  auditDropAtOnce: 128,
  /** What one of them says. */
  auditPayloadBytes: 16 * 1024,
  /** Pages that a collection walks between two looks at its deadline. */
  gcPagesPerStep: 32,
  /** A collection rewrites packs of which less than this part is live. */
  gcLivePart: 0.5,
  /** Packs below this size are merged, as soon as there are so many of a kind. */
  gcSmallPackBytes: 1024 * 1024,
  gcSmallPacks: 4,
  /** Whether another host has collected a store elsewhere is asked at most this often, while a volume with a limit of its history changes. */
  gcReportMs: 10 * 60 * 1000,
  /** Runs of what volumes share that a collection notes for `stats`; where there are more it notes none. */
  gcSharedRuns: 200_000,
  /** The server collects by itself when packs have grown by this much and by this part of what the last collection kept … */
  gcGrowthBytes: 64 * 1024 * 1024,
  gcGrowthPart: 0.5,
  /** … or when this long has passed since, and looks this often. */
  gcEveryMs: 24 * 3600 * 1000,
  /** Whether a store elsewhere is worth a collection is looked at by its writers about this often, and not when any host collected it since. */
  gcElsewhereMs: 12 * 3600 * 1000,
  gcCheckMs: 10 * 60 * 1000,
  /** What an engine keeps open of deleted packs is closed after this. */
  storeForgetMs: 10_000,
  /** Long jobs that a server does at once; how long one that nobody asks after is remembered, and how long an asker is kept waiting. */
  serverJobs: 8,
  jobAnswerMs: 60_000,
  jobWaitMs: 250,
  /** A job says this often how far it is. */
  jobProgressMs: 100,
  /** By how much its thread gives way to others. */
  jobNice: 10,
  /** What a check of what is stored elsewhere may take on the disk. */
  checkCacheBytes: 256 * 1024 * 1024,
  /** Clean pages that a check keeps in memory. */
  fsckPageBytes: 32 * 1024 * 1024,
  /** What a change between volumes pinned this long ago and did not finish was left by a process that died. */
  gcPinMs: 3600 * 1000,
  /** A volume that nobody finished making, made so long ago, counts as deleted. */
  gcUnnamedMs: 24 * 3600 * 1000,
  /** Deleted volumes can be brought back for this long. */
  undeleteMs: 7 * 24 * 3600 * 1000,
  /** Pages whose content a purge remembers while it rewrites commits, to write them once. */
  purgePagesShared: 65536,
  /** Most attempts that a batch may ask for after conflicts. */
  batchRetries: 1000,
  /** Largest file that `cairn cat --json` prints as a member of the JSON. */
  catJsonBytes: 64 * 1024 * 1024,
  /** Largest read or write of a file in one request to the server. */
  rpcChunkBytes: 1024 * 1024,
  /** Largest request that the server takes. */
  rpcRequestBytes: 8 * 1024 * 1024,
  /** What a server says before it takes calls on a connection is shorter. */
  lineHeadBytes: 4096,
  /** Most connections that one client keeps to its server: calls beyond wait for an answer, which this client may be too busy to read. */
  rpcConnections: 64,
  /** A synchronous call that the server does not answer within this fails. */
  blockingCallMs: 60_000,
  /** Requests of clients that the engine handles before it looks at the mounts again. */
  rpcBurst: 32,
  /** Clients connected to one server. */
  serverSessions: 256,
  /** Files, transactions and views that one client holds open. */
  sessionTargets: 4096,
  /** A server without mounts, clients or requests exits after this. */
  serverIdleMs: 180_000,
  /** Not while something waits to be published, for so long at most. */
  serverDrainMs: 24 * 3600 * 1000,
  /** Whether the home is still there is looked at this often. */
  homeCheckMs: 2000,
  /** A volume of the server that nobody uses is closed after this. */
  volumeIdleMs: 15_000,
  /** A volume that another program has open is waited for this long. */
  volumeBusyMs: 6000,
  /** A server that was started must answer within this. */
  serverStartMs: 15_000,
  /** `status` waits this long for a server that is being started again, then says so. */
  statusWaitMs: 2000,
  /** A call to the server that takes longer is followed by a question whether it answers at all, which has as long. */
  answerMs: 4000,
  /** A server that does not answer `status` within this is called silent. */
  statusAnswerMs: 12_000,
  /** A mount that was made must answer within this. */
  mountAnswerMs: 15_000,
  /** A mount that was unmounted and is still there after this lives on in another mount namespace, for which it is ended. */
  mountGoneMs: 1000,
  /** A server that crashes more often than this within `serverRestartWindowMs` is not started again. */
  serverRestarts: 30,
  serverRestartWindowMs: 60_000,
  /** The server's log; the one before it is kept too. */
  serverLogBytes: 1024 * 1024,
  /** Files over this are binary to a diff by lines. */
  diffTextBytes: 8 * 1024 * 1024,
  /** Lines removed and added beyond which a diff by lines replaces the whole stretch between the first and the last difference. */
  diffEditLines: 2000,
  /** A larger file is only named in a patch. */
  patchFileBytes: 64 * 1024 * 1024,
  /** Longest slice of a diff or log between two requests of others. */
  diffSliceMs: 4,
  /** States of a file that blame looks at; what is older counts for the first of these. */
  blameStates: 1000,
  /** Changes in one answer of the server. */
  diffPageChanges: 2000,
  /** A store elsewhere that gives no sign of life for so long, while somebody waits for it, counts as unreachable; where packs are sent to it, for so long. */
  storeCallMs: 8000,
  storeUploadMs: 60_000,
  /** A store that answered so lately is asked by whoever waits for it without somebody having knocked before. */
  storeKnockMs: 1000,
  /** Each step of a check of a store. */
  storeCheckMs: 20_000,
  /** Objects that are written to a store at once, and what of them may be in memory. */
  storeParallel: 8,
  storeUploadBytes: 128 * 1024 * 1024,
  /** Packs up to this size are written by one request. */
  storeWholeBytes: 16 * 1024 * 1024,
  /** Requests at once for what is not asked for yet, and chunks of 256 KiB that one of them brings. */
  storeReadsAhead: 16,
  storeRunChunks: 16,
  /** What the thread of a store hands to its engine in memory, beside the way through the folder of the cache; and what it has besides. Multiples of such a run. */
  storeHandOverBytes: 64 * 1024 * 1024,
  storeSpareBytes: 16 * 1024 * 1024,
  /** Chunks that may be expected at the same time. */
  storeExpected: 2048,
  /** Readers told apart who read on in the packs of a store. */
  storeStreams: 16,
  /** Pages of one inner page that are fetched ahead at once, and what may lie before an inner page that comes with it. */
  storeAheadPages: 64,
  storeAheadBytes: 1024 * 1024,
  /** What is fetched ahead of who reads a file from its start to its end, where the cache has room; and what of it is read before more is asked for: one request. */
  fileAheadBytes: 48 * 1024 * 1024,
  fileAheadStepBytes: 4 * 1024 * 1024,
  /** Files of a cache that are kept open. */
  cacheOpenFiles: 256,
  /** Chunks that the disk did not take are kept in memory, so many. */
  cacheMemoryChunks: 32,
  /** When a file of a cache was used is told apart by this; files that others removed are let go of as often. */
  cacheUseMs: 1000,
  /** Large files of a cache are written past the page cache, so many at once, while no more than so many wait; not for a time after one took longer than this. */
  cacheDirectWrites: 2,
  cacheDirectWaiting: 8,
  cacheDirectMs: 500,
  cacheDirectPauseMs: 5000,
  /** A file that is being written to a cache and was not finished within this was left by a crash. */
  cacheTemporaryMs: 60_000,
  /** What a copy to another store has on this host that is not stored yet, beside its pages. */
  copyWaitingBytes: 128 * 1024 * 1024,
  /** What one step of a prefetch brings near, about; and files that it is told of at once. */
  prefetchBytes: 32 * 1024 * 1024,
  prefetchFiles: 256,
  /** What a store's cache may take on the disk, where nothing else is said. */
  cacheBytes: 1024 ** 3,
  /** What is sealed here is in the store after this, while it can be reached. */
  publishMs: 5000,
  /** A flush that cannot reach the store fails after this, unless it is told otherwise. */
  flushMs: 30_000,
  /** A volume that another host writes is looked at for what is new after this, where nothing else is said. */
  refreshMs: 1000,
  /** A publication that failed is tried again after this, at first and at most. */
  publishRetryMs: 500,
  publishRetryMaxMs: 60_000,
  /** Batches that a log object takes; what is more goes into packs. */
  logObjectBytes: 1024 * 1024,
  /** So many log objects that no head contains make the volume seal; so many, and the next durable commit waits for it. A take-over reads them all. */
  logFoldObjects: 128,
  logFoldAtOnce: 1024,
  /** Log objects that heads contain are deleted so many at once. */
  logDeleteKeys: 128,
  /** What a volume may have acknowledged and not published, where nothing is set: this part of what its disk has free and it takes already, and this at least. */
  backlogDiskPart: 0.5,
  backlogLeastBytes: 64 * 1024 * 1024,
  /** It is looked at after each such part of it; when it is full after this; and told not more often than this. */
  backlogStep: 1 / 64,
  backlogLookMs: 100,
  backlogTellMs: 60_000,
  /** A writer's claim of a volume runs out after this unless it is renewed, which happens at a third of it. */
  leaseMs: 60_000,
  /** Who waits for a lease asks again after this. */
  leaseAskMs: 1000,
  /** What a copy says of itself where it goes to holds so long, and is said again at a third of it. */
  copyAliveMs: 60_000,
  /** By how much clocks of two hosts may differ before a lease that seems to have run out is only believed after it was watched. */
  clockSkewMs: 300_000,
  /** Epochs that a writer may use after it took a volume over, without asking the store. */
  epochStride: 1024,
  /** A command that prints a key has this long, and prints at most so much. */
  keyCommandMs: 60_000,
  keyBytes: 64 * 1024,
  /** Places that one engine looks for keys in. */
  keySources: 16,
  /** Longest policy of a volume, and what one may hold. */
  policyBytes: 64 * 1024,
  policyRules: 500,
  policyExamples: 500,
  /** Longest glob or regular expression of a policy, patterns that braces may stand for, and steps of a compiled expression. */
  policyPatternChars: 1000,
  policyAlternatives: 64,
  policyRegexProgram: 5000,
  /** Text over this is not looked through with a regular expression: a command that has it is denied. */
  policyTextChars: 16 * 1024,
  /** Shell text that is longer, runs more commands, or holds scripts in scripts deeper than this is not judged command by command, but as unknown. */
  shellTextChars: 64 * 1024,
  shellCommands: 1000,
  shellDepth: 16,
  /** A script for sed that is longer is not looked through, but unknown. */
  sedScriptChars: 2000,
  /** Of a command's text so much is shown. */
  judgedTextChars: 300,
  /** Directories that a command of a shell text may be in, as far as can be told; more are any. */
  shellDirectories: 8,
  /** A question that nobody answered is denied after this, where the policy says nothing else. */
  approvalMs: 300_000,
  /** Questions that are over are forgotten after this. */
  approvalKeptMs: 7 * 24 * 3600 * 1000,
  /** Who waits for an answer looks after this, where the system does not tell of one. */
  approvalLookMs: 1000,
  /** Longest answer of a webhook. */
  webhookBytes: 64 * 1024,
  /** Longest path of a Unix socket that every platform takes. */
  socketPathBytes: 100,
  /** What is kept of each output of a command, head and tail, where nothing else is said. */
  execOutputBytes: 256 * 1024,
  /** A command that was asked to end has this long, then it is killed; and again, should it have been too early for that. */
  execGraceMs: 2000,
  execKillAgainMs: 100,
  /** What a command wrote is read for so long after its end, should somebody hold the pipe who could not be found. */
  execDrainMs: 2000,
  /** Output of a command that its reader has not taken; then the command waits. */
  execUnreadBytes: 1024 * 1024,
  /** How long what a system has, and what of its settings is secret, is taken for what it was. */
  execSystemMs: 60_000,
  /** What is the same for all sandboxes of a program is mounted until none was started for so long. */
  execKeptMs: 60_000,
  /** Of many commands that start at once, what is recorded of those that are over waits at most so long after the last start, and so long altogether. */
  execStartGapMs: 25,
  execStartsMs: 500,
  /** Commands that run are looked at so often, should the system not tell that one ended. */
  execLookMs: 1000,
  /** How often what a command left behind is looked for, where no namespace holds it. */
  execSweeps: 100,
  /** Processes and threads of one command, where nothing else is said. */
  execProcesses: 4096,
  /** The private /tmp of a sandbox. */
  execTemporaryBytes: 1024 ** 3,
  /** Of the command that commits of its changes are told by. */
  execMessageCharacters: 200,
  /** Attempts of a race that run at once for each processor, where nothing else is said. */
  raceJobsPerCore: 4,
  /** Longest timeout of a command. */
  execTimeoutMs: 7 * 24 * 3600 * 1000,
  /** Most of it that may be asked for, and of processes. */
  execMostOutputBytes: 64 * 1024 * 1024,
  execMostProcesses: 1_000_000,
} as const
