/* Where the page begins. */

import { render } from "preact";
import { takeToken } from "./api/client";
import { LinkReader } from "./api/link";
import { news, tell } from "./state/notify";
import { sum } from "./state/select";
import { Store } from "./state/store";
import { showTheme } from "./state/theme";
import { showTitle } from "./state/title";
import { Toasts } from "./state/toasts";
import "./styles/page.css";
import { App } from "./views/app";
import { HouseContext } from "./views/context";

showTheme();
takeToken(location, history, sessionStorage);

const store = new Store(() => document.hidden);
const link = new LinkReader(store);
const house = { store, link, toasts: new Toasts() };

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) store.seen();
});
window.addEventListener("online", () => link.again());
store.onAlways((state, before) => {
  showTitle(sum(state), state.link.state === "lost");
  if (link.isLeader) tell(news(before, state));
});

const root = document.getElementById("page");
if (!root) throw new Error("index.html has no #page");
render(
  <HouseContext.Provider value={house}>
    <App />
  </HouseContext.Provider>,
  root,
);
link.start();
