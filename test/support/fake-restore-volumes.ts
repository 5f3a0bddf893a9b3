import type {
  InstanceLook,
  MadeVolume,
  RestoreVolumes,
  SnapshotLook,
  TemporaryVolume,
} from '../../src/application/ports/restore-volumes.ts';

export const subnetsByZone = { 'eu-central-1a': 'subnet-a', 'eu-central-1b': 'subnet-b' };

/** EBS in memory: what is looked at is set by the test, what is done is kept. */
export class FakeRestoreVolumes implements RestoreVolumes {
  made: MadeVolume[] = [];
  temporary: TemporaryVolume[] = [];
  snapshots: Record<string, SnapshotLook> = {};
  instances: Record<string, InstanceLook> = {};
  /** Zones of volumes that were backed up. */
  zones: Record<string, string> = {};
  subnets: Readonly<Record<string, string>> = subnetsByZone;
  /** Of fast snapshot restore, by `snapshot zone`. */
  fast: Record<string, string> = {};
  readonly deleted: string[] = [];
  readonly released: string[] = [];
  readonly attached: string[] = [];

  zonesOf = () => Promise.resolve(this.subnets);
  zoneOfVolume = (id: string) => Promise.resolve(this.zones[id]);
  findSnapshot = (id: string) => Promise.resolve(this.snapshots[id]);
  fastRestore = (snapshot: string, zone: string) => Promise.resolve(this.fast[`${snapshot} ${zone}`]);
  findInstance = (id: string) => Promise.resolve(this.instances[id]);

  list(runId?: string): Promise<readonly MadeVolume[]> {
    return Promise.resolve(
      this.made.filter((volume) => (runId === undefined ? volume.unfinished : volume.runId === runId)),
    );
  }

  listTemporary = () => Promise.resolve(this.temporary);

  delete(id: string): Promise<boolean> {
    this.deleted.push(id);
    this.made = this.made.filter((volume) => volume.id !== id);
    this.temporary = this.temporary.filter((volume) => volume.id !== id);
    return Promise.resolve(true);
  }

  release(id: string): Promise<void> {
    this.released.push(id);
    this.made = this.made.map((volume) => (volume.id === id ? { ...volume, unfinished: false } : volume));
    return Promise.resolve();
  }

  attach(id: string, { instance, device }: { readonly instance: string; readonly device: string }): Promise<void> {
    this.attached.push(`${id} ${instance} ${device}`);
    return Promise.resolve();
  }

  change(id: string, changes: Partial<MadeVolume>): void {
    this.made = this.made.map((volume) => (volume.id === id ? { ...volume, ...changes } : volume));
  }
}

export const madeVolume = (id: string, more: Partial<MadeVolume> = {}): MadeVolume => ({
  ...{ id, runId: 'run-1', part: 'rs0', attempt: 1, zone: 'eu-central-1a', state: 'available', attachedTo: null },
  ...{ fastRestored: false, unfinished: true, ...more },
});
