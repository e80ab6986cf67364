@echo off
rem The way in on Windows. Double-click: everyone in refs\, this computer's photo folders, copies to found\ on
rem the stick. With arguments it is the command line: run.bat --refs refs\Mom --copy out D:\Photos
rem A fresh clone without the interpreter first fetches what is missing, with what Windows ships.
setlocal EnableExtensions DisableDelayedExpansion
set "HERE=%~dp0"
set "PYTHON=%HERE%python\windows-x86_64\python.exe"
if not exist "%PYTHON%" goto set_up
if not exist "%HERE%models\.complete" goto set_up
if not exist "%HERE%lib\vendor\windows-x86_64\LOCK.txt" goto set_up

:start
if "%~1"=="" goto unattended
"%PYTHON%" -X utf8 -B "%HERE%face_finder.py" %*
exit /b %ERRORLEVEL%

:unattended
title Face Finder
"%PYTHON%" -X utf8 -B "%HERE%face_finder.py"
set "CODE=%ERRORLEVEL%"
rem 3: there is nobody in refs\ to look for.
if "%CODE%"=="3" start "" "%HERE%refs"
echo.
echo You can close this window.
pause >nul
exit /b %CODE%

:set_up
if not exist "%HERE%MANIFEST.sha256" goto fetch
echo This stick was made without the parts for Windows, or some are missing.
echo Make it again on the computer that made it: python3 bootstrap/build.py --platform windows-x86_64 --to STICK
goto failed

:fetch
if not exist "%HERE%bootstrap\build.py" goto not_unpacked
echo Setting up, this once: fetching Python, the program's packages and models.
set "URL=https://github.com/astral-sh/python-build-standalone/releases/download/20261021/cpython-3.11.17%%2B20261021-x86_64-pc-windows-msvc-install_only_stripped.tar.gz"
set "SHA256=7222d3245519b9f2e786b085af65a3fac06dffa1ddfbe27821ad9b75f2d98c62"
set "BUILDER=%HERE%python\builder"
rem By their full names: another curl, tar or find on the PATH may be another program.
set "SYSTEM=%SystemRoot%\System32"
if not exist "%BUILDER%" mkdir "%BUILDER%"
pushd "%BUILDER%"
if errorlevel 1 goto failed
if exist python\python.exe goto build
if not exist python.tar.gz goto download
"%SYSTEM%\certutil.exe" -hashfile python.tar.gz SHA256 | "%SYSTEM%\find.exe" /i "%SHA256%" >nul
if not errorlevel 1 goto unpack

:download
"%SYSTEM%\curl.exe" -f -L -C - -o python.tar.gz "%URL%"
if errorlevel 1 goto no_network
"%SYSTEM%\certutil.exe" -hashfile python.tar.gz SHA256 | "%SYSTEM%\find.exe" /i "%SHA256%" >nul
if errorlevel 1 goto refused

:unpack
"%SYSTEM%\tar.exe" -xf python.tar.gz
if errorlevel 1 goto refused

:build
popd
set "DEMO="
if /i "%~1"=="--demo" set "DEMO=--demo"
"%BUILDER%\python\python.exe" -I -B "%HERE%bootstrap\build.py" --platform windows-x86_64 %DEMO%
if errorlevel 1 goto failed
rmdir /s /q "%BUILDER%"
echo.
goto start

:no_network
echo The network does not answer. Check it and start again: what has arrived is kept.
goto failed

:refused
del /q python.tar.gz
echo What arrived is not the Python that was expected, and was thrown away. Start again.
goto failed

:not_unpacked
echo This file stands alone. If you look at it inside a ZIP file, unpack the whole ZIP file first.

:failed
if "%~1"=="" pause
exit /b 9
