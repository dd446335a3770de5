/** The script of index.html. */

import { render } from "preact";
import { App } from "./app";
import "./style/base.css";
import "./style/controls.css";
import "./style/desk.css";
import "./style/compare.css";
import "./style/welcome.css";
import "./style/draw.css";

const page = document.getElementById("page");
if (page) render(<App />, page);
