import {
  CreateScheduleGroupCommand,
  DeleteScheduleCommand,
  GetScheduleCommand,
  type GetScheduleCommandOutput,
  ListSchedulesCommand,
  SchedulerClient,
} from '@aws-sdk/client-scheduler';
import { region, resourcesOf, type Template } from './template.ts';

/** EventBridge Scheduler: moto keeps the schedules, and the test says when one of them is due. */
export class FakeScheduler {
  readonly #client: SchedulerClient;
  readonly #template: Template;
  readonly #invoke: (folder: string, payload: unknown) => Promise<unknown>;

  /** @param invoke a function by its folder */
  constructor(template: Template, endpoint: string, invoke: (folder: string, payload: unknown) => Promise<unknown>) {
    const credentials = { accessKeyId: 'test', secretAccessKey: 'none' };
    this.#client = new SchedulerClient({ region, endpoint, credentials });
    this.#template = template;
    this.#invoke = invoke;
  }

  /** Those of the template. */
  async makeGroups(): Promise<void> {
    for (const [, { Properties }] of resourcesOf(this.#template, 'AWS::Scheduler::ScheduleGroup'))
      await this.#client.send(new CreateScheduleGroupCommand({ Name: String(Properties['Name']) }));
  }

  /** What functions have made, whole. */
  async list(GroupName: string): Promise<GetScheduleCommandOutput[]> {
    const { Schedules = [] } = await this.#client.send(new ListSchedulesCommand({ GroupName }));
    return Promise.all(Schedules.map(({ Name }) => this.#client.send(new GetScheduleCommand({ GroupName, Name }))));
  }

  /** The time of a schedule has come: its function is called, and it is deleted when it says so. */
  async call({ Name, GroupName, Target, ActionAfterCompletion }: GetScheduleCommandOutput): Promise<unknown> {
    const folder = (Target?.Arn ?? '').replace(/^.*:function:holdfast-test-/, '');
    const called = this.#invoke(folder, JSON.parse(Target?.Input ?? 'null'));
    if (ActionAfterCompletion === 'DELETE') await this.#client.send(new DeleteScheduleCommand({ Name, GroupName }));
    return called;
  }
}
