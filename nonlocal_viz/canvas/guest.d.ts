// Who leads a session for a while, as the lesson does.

import type { Answer, Point } from "./core/answer.js";
import type { Trouble } from "./core/patience.js";

export interface Guest {
  /** Whether nothing of an answer is to be seen. */
  readonly veiled: boolean;
  /** What scripts may know of it. */
  readonly shown: object;
  /** The point where its page begins, if what is open is the page's own picture. */
  readonly begin: Partial<Point>;
  /** null: under the veil. */
  drawn(answer: Answer | null): void;
  /** Pointing, as far as it is the guest's own affair; true then. */
  preview(point: Point): boolean;
  hold(point: Point): boolean;
  move(dh: number, dw: number): boolean;
  gone(): void;
  /** What was asked for did not come. */
  settled(): void;
  nextLanguage(): void;
  /** What keeps its own questions without an answer; seen: something says so already, and offers to try again. */
  late(why: Trouble | null, seen: boolean): void;
  /** Somebody went back or forth; true: what is shown then is the guest's own affair. */
  returned(query: URLSearchParams): boolean;
}
