// The catalogue as one value: the database and what is in it, by aggregate.
import type { Disk } from '../lib/disk.ts'
import { Alarms } from './alarms.ts'
import { Archives } from './archives.ts'
import { Audit } from './audit.ts'
import { BlockFiles } from './block-files.ts'
import { Channels } from './channels.ts'
import { Checkpoints } from './checkpoints.ts'
import { ClaimStore } from './claims.ts'
import { Database } from './database.ts'
import { Decisions } from './decisions.ts'
import { Entries } from './entries.ts'
import { Followed } from './followed.ts'
import { ForwardedFiles } from './forwarded-files.ts'
import { Garbage } from './garbage.ts'
import { History } from './history.ts'
import { Keys } from './keys.ts'
import { LocalPackages } from './local-packages.ts'
import { Manifests } from './manifests.ts'
import { Notices } from './notices.ts'
import { Outgoing } from './outgoing.ts'
import { People } from './people.ts'
import { PoolFiles } from './pool-files.ts'
import { Publications } from './publications.ts'
import { Records } from './records.ts'
import { Settings } from './settings.ts'
import { Slaves } from './slaves.ts'
import { Supplies } from './supplies.ts'
import { Texts } from './texts.ts'
import { Views } from './views.ts'

export class Store implements Disposable {
  readonly db: Database
  readonly archives: Archives
  readonly records: Records
  readonly channels: Channels
  readonly views: Views
  readonly history: History
  readonly publications: Publications
  readonly entries: Entries
  readonly garbage: Garbage
  readonly texts: Texts
  readonly poolFiles: PoolFiles
  readonly localPackages: LocalPackages
  readonly decisions: Decisions
  readonly people: People
  readonly claims: ClaimStore
  readonly notices: Notices
  readonly keys: Keys
  readonly alarms: Alarms
  readonly audit: Audit
  readonly checkpoints: Checkpoints
  readonly settings: Settings
  readonly supplies: Supplies
  readonly forwardedFiles: ForwardedFiles
  readonly slaves: Slaves
  readonly outgoing: Outgoing
  readonly manifests: Manifests
  readonly followed: Followed
  readonly blockFiles: BlockFiles

  private constructor(db: Database) {
    this.db = db
    this.archives = new Archives(db)
    this.records = new Records(db)
    this.channels = new Channels(db)
    this.views = new Views(db)
    this.history = new History(db)
    this.publications = new Publications(db)
    this.entries = new Entries(db)
    this.garbage = new Garbage(db)
    this.texts = new Texts(db)
    this.poolFiles = new PoolFiles(db)
    this.localPackages = new LocalPackages(db)
    this.decisions = new Decisions(db)
    this.people = new People(db)
    this.claims = new ClaimStore(db)
    this.notices = new Notices(db)
    this.keys = new Keys(db)
    this.alarms = new Alarms(db)
    this.audit = new Audit(db)
    this.checkpoints = new Checkpoints(db)
    this.settings = new Settings(db)
    this.supplies = new Supplies(db)
    this.forwardedFiles = new ForwardedFiles(db)
    this.slaves = new Slaves(db)
    this.outgoing = new Outgoing(db)
    this.manifests = new Manifests(db)
    this.followed = new Followed(db)
    this.blockFiles = new BlockFiles(db)
  }

  static openWriter(path: string, disk: Pick<Disk, 'step'>): Store {
    return new Store(Database.openWriter(path, disk))
  }

  static openReader(path: string): Store {
    return new Store(Database.openReader(path))
  }

  [Symbol.dispose](): void {
    this.db[Symbol.dispose]()
  }
}
