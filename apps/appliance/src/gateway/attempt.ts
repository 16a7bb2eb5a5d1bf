/**
 * One request sent to one site. It tells when the head of the answer is there, and whether anything was sent at all; once
 * its answer is accepted it streams it to the user, no faster than the user takes it. A failure before that is told; one
 * after it cuts the user's connection, since half an answer cannot be taken back.
 */
import type { ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import type { Site } from './headers.ts';

export interface AttemptListener {
  /** The request is about to be written to an open connection. */
  onSent(attempt: Attempt): void;
  /** True: the answer is accepted and `response` has its head. False: it is not wanted. */
  onHead(attempt: Attempt, status: number, rawHeaders: Buffer[]): boolean;
  /** Before an answer was accepted. Not called for an attempt that was abandoned. */
  onFailure(attempt: Attempt, error: Error): void;
  /** Nothing more comes, however it ended. Called once. */
  onEnd(attempt: Attempt): void;
}

const unwanted = new Error('the answer is not wanted any more');

export class Attempt implements Dispatcher.DispatchHandler {
  readonly site: Site;
  readonly #response: ServerResponse;
  readonly #listener: AttemptListener;
  #controller: Dispatcher.DispatchController | null = null;
  #abandoned = false;
  #accepted = false;
  #ended = false;
  #progress = 0;

  constructor(site: Site, response: ServerResponse, listener: AttemptListener) {
    this.site = site;
    this.#response = response;
    this.#listener = listener;
  }

  /** Grows whenever something of the answer comes, or while it is the user who is slow. */
  get progress(): number {
    if (this.#controller?.paused) this.#progress += 1;
    return this.#progress;
  }

  /** Ends it as a failure. */
  cut(reason: Error): void {
    this.#controller?.abort(reason);
  }

  /** Gives it up. If nothing was sent yet, nothing will be. */
  abandon(): void {
    if (this.#abandoned || this.#ended) return;
    this.#abandoned = true;
    this.#controller?.abort(unwanted);
    this.#end();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#abandoned) controller.abort(unwanted);
    else this.#listener.onSent(this);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200 || this.#abandoned) return;
    this.#accepted = this.#listener.onHead(this, status, controller.rawHeaders as Buffer[]);
    if (!this.#accepted) this.abandon();
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#progress += 1;
    if (!this.#accepted || this.#response.destroyed || this.#response.write(chunk)) return;
    controller.pause();
    const goOn = () => {
      this.#response.off('drain', goOn).off('close', goOn);
      controller.resume();
    };
    this.#response.on('drain', goOn).on('close', goOn);
  }

  onResponseEnd(): void {
    if (this.#accepted) this.#response.end();
    this.#end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#abandoned || this.#ended) return;
    this.#end();
    if (this.#accepted) this.#response.destroy();
    else this.#listener.onFailure(this, error);
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#listener.onEnd(this);
  }
}
